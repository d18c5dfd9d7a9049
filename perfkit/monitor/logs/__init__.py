"""Log analysis: text that programs print, to metric series and typed records, in bounded memory.

::

    analysis = LogAnalysis()                     (`analysis`; feed it bytes or lines, live or from files)
    sources.read(analysis, paths)                (`sources`; plain, gzip, CSV, JSON lines, TensorBoard event files, "-")
    analysis.history["val/loss"]                 (monitor.history.History)
    document.compose(analysis)                   (`document`; everything as plain data)

`lines` cuts bytes into lines, `clean` takes out what was meant for a terminal, `stamps` reads time stamps, `tracebacks` joins them.
What is left is a message; its `shapes` decides what it means (`plans`, by `labels`, `units`, `vocabulary` and `structured`), worked out
once per shape. Series are kept by `folds`, counts by `facts`, templates by `drain`.
"""
