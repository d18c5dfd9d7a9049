"""Dots of a braille canvas, against the patterns of the Unicode standard."""

from perfkit.report.curves.braille import Canvas


def text(canvas):
    return ["".join(piece for piece, _ in line) for line in canvas.lines()]


def test_each_dot_has_its_bit():
    patterns = {}
    for x in range(2):
        for y in range(4):
            canvas = Canvas(1, 1)
            canvas.dot(x, y)
            patterns[x, y] = text(canvas)[0]
    assert patterns == {
        (0, 0): "⠁", (0, 1): "⠂", (0, 2): "⠄", (0, 3): "⡀", (1, 0): "⠈", (1, 1): "⠐", (1, 2): "⠠", (1, 3): "⢀",
    }  # fmt: skip


def test_a_diagonal():
    canvas = Canvas(4, 2)
    canvas.line(0, 7, 7, 0)
    assert text(canvas) == ["  ⡠⠊", "⡠⠊  "]


def test_a_full_block_and_nothing_outside_the_canvas():
    canvas = Canvas(2, 1)
    for x in range(-3, 2):
        for y in range(-3, 9):
            canvas.dot(x, y)
    assert text(canvas) == ["⣿ "]


def test_without_braille_a_touched_character_is_a_star():
    canvas = Canvas(4, 2, ascii_only=True)
    canvas.line(0, 7, 7, 0)
    assert text(canvas) == ["  **", "**  "]


def test_pieces_of_one_style_are_joined_and_the_last_style_wins():
    canvas = Canvas(3, 1)
    canvas.line(0, 0, 5, 0, "cyan")
    canvas.symbol(2, 3, "●", "yellow")
    assert canvas.lines() == [(("⠉", "cyan"), ("●", "yellow"), ("⠉", "cyan"))]
