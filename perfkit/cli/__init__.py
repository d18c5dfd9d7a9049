"""One file per verb: parse, call the api, print, exit code."""
