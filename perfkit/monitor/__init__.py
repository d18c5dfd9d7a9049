"""Model monitoring: quality and health beside performance.

``ModelMonitor(model).fit(...)`` in code, `perfkit monitor run train.py` for a script that nobody changed; docs/monitoring.md.
"""
