# Fencing off the old primary takes 60 s. It runs beside the election: nobody else runs for the office, and
# when it is done the primary serves.

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

fencing 60s
----

kill n1
----

run 30s
----
   9.4s  n3 is elected primary

create n2 early
----
  48.3s  bucket early: no answer within 10 s

run 30s
----
  69.4s  n3 serves as primary
  69.4s  map 5: n1 is down

create n2 photos
----
  78.5s  bucket photos is made

show
----
primary: n3, voters: n1 n2 n3
n1: down, off
n2: alive, lease
n3: alive, lease
