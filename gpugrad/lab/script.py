"""A script of the lecture: its question, what it computes, its answer, and where its pictures are."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from ..errors import GpugradError
from ..training.theme import theme

DARK = "--dark"
Picture = Callable[[str], Path]  # from the name of a picture to the file to draw it in


def present(text: str, main: Callable[[Picture], None]) -> None:
    """Run a script as a command: ``python script.py [FOLDER] [--dark] [--help]``.

    Parameters
    ----------
    text : str
        Docstring of the script, with paragraphs that begin with "Question: " and "Answer: ".
    main : function
        Prints what it computes; gets a function from the name of a picture to the file to draw it in.
    """
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(text.strip())
        return
    folders = [argument for argument in sys.argv[1:] if argument != DARK]
    if len(folders) > 1 or any(folder.startswith("-") for folder in folders):
        sys.exit(
            f"expected one folder, got {' '.join(folders)}: name the folder for the pictures, or none, and {DARK} "
            "for pictures on dark paper"
        )
    folder = Path(*folders)
    title = text.partition("\n")[0]
    question, answer = text.partition("Question: ")[2].split("Answer: ")
    pictures = []

    def picture(name: str) -> Path:
        pictures.append(folder / name)
        return pictures[-1]

    try:
        folder.mkdir(parents=True, exist_ok=True)
        print(f"{title}\n\nQuestion: {question.strip()}\n")
        with theme("dark" if DARK in sys.argv else "light"):
            main(picture)
    except GpugradError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(
            f"{error.filename or folder}: {error.strerror or error}; name a folder that can be made and written to"
        )
    print(f"\nAnswer: {answer.strip()}\n")
    for path in pictures:
        print(f"picture: {path.resolve()}")
