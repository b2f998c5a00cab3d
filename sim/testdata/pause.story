# The process of the primary is stopped for 60 s (SIGSTOP), then goes on. Nothing that it says is accepted.

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

pause n1
----

run 20s
----
   9.4s  n3 is elected primary
   9.4s  n3 serves as primary
  21.4s  map 5: n1 is down

show
----
primary: n3, voters: n1 n2 n3
n1: down, no lease, stopped
n2: alive, lease
n3: alive, lease

run 40s
----

resume n1
----
  68.3s  n1 has no lease any more

run 2s
----
  68.3s  n1 is primary no more
  68.3s  map 6: n1 is alive
  68.4s  n1 has a lease

show
----
primary: n3, voters: n1 n2 n3
n1: alive, lease
n2: alive, lease
n3: alive, lease

create n1 photos
----
  70.5s  bucket photos is made
