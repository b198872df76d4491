"""How a release is made, for ``scripts/package``: wheel, sdist, Debian package, man page, completions, SBOM."""
