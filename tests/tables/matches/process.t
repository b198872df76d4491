# Without a socket owner_mt holds if and only if every option is negated; cgroup_mt never does
@ ip filter OUTPUT
-m owner --uid-owner 1000 ; = ; locally_made{1} & unknown[-m owner --uid-owner 1000: which user or process sends it]
-m owner ! --uid-owner 0-999 ; = ; (locally_made{0} | unknown[-m owner ! --uid-owner 0-999: which user or process sends it])
-m owner --gid-owner 5 ! --uid-owner 7 ; -m owner ! --uid-owner 7 --gid-owner 5 ; locally_made{1} & unknown[-m owner ! --uid-owner 7 --gid-owner 5: which user or process sends it]
-m owner --socket-exists ; = ; locally_made{1}
-m cgroup --cgroup 1048577 ; = ; locally_made{1} & unknown[-m cgroup --cgroup 1048577: which control group sends it]
-m cgroup ! --cgroup 7 ; = ; locally_made{1} & unknown[-m cgroup ! --cgroup 7: which control group sends it]
@ ip filter OUTPUT !lab
-m cgroup --path user.slice ; = ; locally_made{1} & unknown[-m cgroup --path user.slice: which control group sends it]
@ ip filter OUTPUT
-m owner --gid-owner 0-100 --suppl-groups ; = ; locally_made{1} & unknown[-m owner --gid-owner 0-100 --suppl-groups: which user or process sends it]
