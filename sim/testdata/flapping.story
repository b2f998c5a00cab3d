# The link of the primary to one target comes and goes every second for a minute. No lease runs out, nobody
# is judged.

nodes 3
----
   0.0s  n1 is elected primary
   0.0s  n1 serves as primary
   0.1s  map 2: n1 joins
   0.1s  n1 has a lease
   0.2s  map 3: n2 joins
   0.2s  n2 has a lease

run 8s
----
   0.3s  map 4: n3 joins
   0.3s  n3 has a lease

flap n1 n3 60s 1s
----

run 60s
----

show
----
primary: n1, voters: n1 n2 n3
n1: alive, lease
n2: alive, lease
n3: alive, lease

# Every four seconds is more than a lease bears now and then. The others' slots stay where they are.

flap n1 n3 60s 4s
----

run 70s
----

show
----
primary: n1, voters: n1 n2 n3
n1: alive, lease
n2: alive, lease
n3: alive, lease
