"""What a traced workload would take on another device, or with another batch or number format: its kernels are moved one by
one, and host and device are replayed beside each other.
"""
