"""Detection: what is wrong with a model's series, at a known rate of false alarms; docs/monitor-detectors.md.

Three methods. *Statistical*: control charts on standardised values (`charts`, `detectors`). *Time-step*: each step against an
expectation (`expectation`). *Chain*: stages whose costs add up (`stages`), and states of health (`states`). Beside them, values that
cannot be right (`validity`) and how training goes (`learning`). `watch.Watch` puts them together over all series.
"""
