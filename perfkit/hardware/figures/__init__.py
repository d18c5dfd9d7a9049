"""What is measured of a machine: each file has the figures of one kind, and `child` measures those that it is told to.

It runs in a process of its own, in whichever Python a person's scripts run in (3.9 and later), where perfkit may not be installed: nothing
here imports more than the standard library and, where a figure is of them, torch, numpy or PIL.
"""
