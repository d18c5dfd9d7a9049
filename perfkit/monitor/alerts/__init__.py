"""Alerts: rules over metrics, events and states; who is told, and how; docs/monitor-alerts.md.

``grammar.parse("val/loss > 2.5 for 60s clear 2.3 severity critical")`` makes a rule, ``alerter.Alerter`` keeps the state of each rule and
metric and tells the sinks, ``replay.replay`` asks what rules would have said about a run that is over.
"""
