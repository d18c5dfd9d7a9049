"""What the exit codes of verbs mean, besides 0 (fine), 1 (perfkit failed) and 2 (usage). `perfkit profile` returns the script's own."""

#: Something got slower, fails, or gives another answer.
REGRESSION = 3
#: It could not be told, or compared.
INCONCLUSIVE = 4
