"""Runs a command so that what it writes is thrown away.

::

    place     where the writes go, how they are kept off the disk here, and why
    enclose   run in the new process, before the command: its own view of the file systems, or a wall around it
    mounts    overlays over every writable file system, in a mount namespace
    landlock  a wall: the kernel refuses writes outside a few places

Three ways, the soundest first that works here. *overlay*: a mount namespace in which a copy-on-write layer lies over every
file system, for any program in any language; as root, or for everybody where user namespaces are allowed (not on Ubuntu
24.04, nor in a container with Docker's default profile). *landlock*: the guest redirects what Python writes
(`inside.redirect`), and what it does not see the kernel refuses (Linux 5.13, no privileges). *functions*: the redirection
alone, which the libraries that write by themselves get past.
"""
