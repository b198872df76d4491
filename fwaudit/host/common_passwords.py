"""Words that people take for passwords, in small letters and without the digits and marks they put behind them.

Written for this program: keyboard rows, names of software and roles, and the words of examples that are copied.
"""

from __future__ import annotations

_ROLES = """
admin administrator root user guest test tester testing demo dev devel developer development prod production staging
stage local localhost default public private secret secrets token key master manager operator service system sys
sysadmin superuser super backup monitor monitoring support info web www webmaster app application api client server
host docker container compose swarm kubernetes k8s cluster node deploy deployer build ci jenkins git gitlab github
ubuntu debian centos fedora alpine linux vagrant ansible oracle sa dba owner
"""
_SOFTWARE = """
postgres postgresql psql pg pgsql pgadmin mysql mariadb maria percona mongo mongodb mongoadmin redis valkey memcached
elastic elasticsearch kibana opensearch rabbit rabbitmq kafka nats minio minioadmin minio123 couchdb cassandra
clickhouse influx influxdb influxdata neo4j arangodb grafana prometheus zabbix keycloak wordpress wp drupal joomla
magento nextcloud owncloud gitea django laravel rails symfony spring strapi directus odoo airflow superset metabase
jupyter portainer traefik nginx apache tomcat database db dbuser dbadmin dbpass dbpassword sql data test_db mydb
mydatabase myapp myuser mypassword mysecret
"""
_WORDS = """
password passwort passwd pass pwd pw passw0rd passphrase letmein welcome hello changeme change change-me changethis
changeit changemeplease replaceme replace-me todo fixme example sample insecure unsafe temp temporary temppass hunter
dragon monkey shadow sunshine princess football baseball superman batman pokemon starwars iloveyou trustno whatever
freedom ninja mustang michael jordan jennifer ashley bailey charlie daniel thomas robert summer winter spring autumn
secretpassword supersecret topsecret verysecret mysecretpassword mysecretpw my-secret-pw my-secret-password
yourpassword your-password your_password yoursecurepassword strongpassword securepassword secure rootpassword rootpass
rootroot adminadmin adminpassword adminpass userpassword userpass testtest testpassword testpass guestguest
somewordpress wordpresspass postgrespassword mysqlpassword redispassword mongopassword foobared foobar foo bar baz
foobarbaz abc abcd abcde abcdef abcdefg abcdefgh abcabc aaaaaa aaaaaaaa xxxxxx xxxxxxxx none null nil nopass nopassword
empty blank toor r00t s3cret s3cr3t p4ssw0rd
"""
_ROWS = """
qwerty qwertyuiop qwert qwertz qwertzuiop azerty asdf asdfgh asdfghjkl zxcvbn zxcvbnm qazwsx qazwsxedc qweasd qweasdzxc
qwe qaz wsx zaq xsw 1qaz 1qaz2wsx 1q2w3e 1q2w3e4r 1q2w3e4r5t q1w2e3r4 a1b2c3 a1b2c3d4
"""
COMMON = frozenset((_ROLES + _SOFTWARE + _WORDS + _ROWS).split())

_DIGITS = "0123456789"
_LOOKALIKES = str.maketrans("@430157$!", "aaeoistsi")


def is_common(password: str) -> bool:
    """Whether it is digits in a row, one character again and again, or one of these words with digits and marks behind
    it (``Password123!``) or look-alikes in it (``p@ssw0rd``)."""
    text = password.lower()
    if len(set(text)) == 1 or text in _DIGITS * 3 or text in (_DIGITS * 3)[::-1]:
        return True
    bare = text.rstrip(_DIGITS + "!@#$%^&*.,_-+=?") or text
    return any(each in COMMON for each in (text, bare, text.translate(_LOOKALIKES), bare.translate(_LOOKALIKES)))
