# The primary dies. Another is elected within two seconds and takes commands; the slots of the dead node go
# to others only once its lease has run out and the new primary has waited one full lease.

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

show
----
primary: n1, voters: n1 n2 n3
n1: alive, lease
n2: alive, lease
n3: alive, lease

kill n1
----

create n2 photos
----
   9.4s  n3 is elected primary
   9.4s  n3 serves as primary
   9.7s  bucket photos is made, after 1.4 s

run 20s
----
  21.4s  map 5: n1 is down

show
----
primary: n3, voters: n1 n2 n3
n1: down, off
n2: alive, lease
n3: alive, lease

start n1
----
  29.7s  n1 has no lease any more

run 5s
----
  29.8s  map 6: n1 is alive
  29.9s  n1 has a lease

show
----
primary: n3, voters: n1 n2 n3
n1: alive, lease
n2: alive, lease
n3: alive, lease
