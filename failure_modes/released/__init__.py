"""Failure modes in releases of other people's queues, each shown against the real library and a real server.

`findings` says what there is and is plain data: it imports none of the libraries. A module per finding brings two
scenarios that know nothing of faultloop: `scenario`, a program that uses the library as its documentation says, and
`control`, the same program with what makes it hold. `proof` runs them.

The libraries are those of the extra `released`, in the versions of `constraints-released.txt`. A server is named by
FAULTLOOP_REDIS_URL or FAULTLOOP_POSTGRES_URL; a scenario removes nothing there but what it made itself.
"""
