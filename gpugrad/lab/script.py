"""A script of the lecture: its question, what it computes, its answer, and where its pictures are."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

Picture = Callable[[str], Path]  # from the name of a picture to the file to draw it in


def present(text: str, main: Callable[[Picture], None]) -> None:
    """Run a script as a command: ``python script.py [FOLDER]``.

    Parameters
    ----------
    text : str
        Docstring of the script, with paragraphs that begin with "Question: " and "Answer: ".
    main : function
        Prints what it computes; gets a function from the name of a picture to the file to draw it in.
    """
    if len(sys.argv) > 2:
        sys.exit(f"expected one folder, got {' '.join(sys.argv[1:])}: name the folder for the pictures, or none")
    folder = Path(*sys.argv[1:])
    folder.mkdir(parents=True, exist_ok=True)
    title = text.partition("\n")[0]
    question, answer = text.partition("Question: ")[2].split("Answer: ")
    pictures = []

    def picture(name: str) -> Path:
        pictures.append(folder / name)
        return pictures[-1]

    print(f"{title}\n\nQuestion: {question.strip()}\n")
    main(picture)
    print(f"\nAnswer: {answer.strip()}\n")
    for path in pictures:
        print(f"picture: {path.resolve()}")
