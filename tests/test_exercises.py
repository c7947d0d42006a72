"""The exercises of the lecture: solutions pass, mistakes are recognised, and the students' files hold no solution."""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

LECTURE = Path(__file__).parent.parent / "examples" / "lecture"
FILES = sorted((LECTURE / "exercises").glob("point*.py"))
NAMES = [file.stem for file in FILES]
LECTURER = LECTURE / "lecturer"


@pytest.fixture(scope="module", autouse=True)
def _import_path():
    sys.path.insert(0, str(LECTURE / "exercises"))
    yield
    sys.path.remove(str(LECTURE / "exercises"))
    for name in [name for name in sys.modules if name.split(".")[0] == "checks"]:
        del sys.modules[name]


def exercise(name):
    return importlib.import_module(f"checks.{name}").EXERCISE


def source(name):
    return (LECTURER / f"{name}.py").read_text("utf-8")


def functions(name, text=None):
    """Return the functions of a solution, or of another text, by name."""
    defined = {"__name__": name}
    exec(compile(source(name) if text is None else text, name, "exec"), defined)
    return {task.name: defined[task.name] for task in exercise(name).tasks}


def run(file, *arguments, monkeypatch):
    """Run an exercise as a student would; return its output and what it ended with."""
    monkeypatch.chdir(file.parent)
    monkeypatch.setattr(sys, "argv", [str(file), *arguments])
    out = io.StringIO()
    ended = None
    with contextlib.redirect_stdout(out):
        try:
            runpy.run_path(str(file), run_name="__main__")
        except SystemExit as stop:
            ended = stop.code
    return out.getvalue(), ended


def one_sentence(said):
    return said.endswith(".") and "\n" not in said


# ---- the files ----

# Lines that every solution has, or that the task gives.
GIVEN = r'def |for |import |if |"""|return "|path\.append|slope = gradient'


def test_points_of_the_lecture_have_an_exercise_a_solution_and_a_row_for_the_lecturer():
    assert [int(name[5:7]) for name in NAMES] == list(range(1, 12))
    scripts = {path.stem for path in LECTURE.glob("point*.py")}
    table = (LECTURER / "README.md").read_text("utf-8")
    for name in NAMES:
        assert name in scripts, "the exercise has the name of its point's script"
        assert (LECTURER / f"{name}.py").exists()
        assert f"`{name}.py`" in table


@pytest.mark.parametrize("name", NAMES)
def test_a_student_s_file_has_the_functions_of_the_check_and_no_solution(name):
    text = (LECTURE / "exercises" / f"{name}.py").read_text("utf-8")
    found = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    assert [function.name for function in found] == [task.name for task in exercise(name).tasks]
    for function in found:
        docstring, last = function.body
        assert ast.get_docstring(function)
        assert isinstance(docstring, ast.Expr)
        assert ast.unparse(last) == "raise NotImplementedError"
    solution = [node for node in ast.parse(source(name)).body if isinstance(node, ast.FunctionDef)]
    assert [ast.unparse(function.args) for function in found] == [ast.unparse(function.args) for function in solution]


@pytest.mark.parametrize("name", NAMES)
def test_neither_the_student_s_file_nor_a_hint_has_a_line_of_the_solution(name):
    lines = {
        line.strip().removeprefix("return ")
        for line in source(name).splitlines()
        if len(line.strip()) > 15 and not re.match(GIVEN, line.strip())
    }
    assert lines or name == "point03_learning_rate"
    shown = (LECTURE / "exercises" / f"{name}.py").read_text("utf-8")
    shown += "".join(hint for task in exercise(name).tasks for hint in task.hints)
    assert [line for line in lines if line in shown] == []


@pytest.mark.parametrize("name", NAMES)
def test_the_empty_file_says_that_it_is_empty(name, monkeypatch, tmp_path):
    (tmp_path / f"{name}.py").write_text((LECTURE / "exercises" / f"{name}.py").read_text("utf-8"), "utf-8")
    first = exercise(name).tasks[0].name
    said = run(tmp_path / f"{name}.py", monkeypatch=monkeypatch)
    assert said == ("", f"{first} is not filled in yet: replace its last line.")
    stubs = functions(name, (tmp_path / f"{name}.py").read_text("utf-8"))
    for task in exercise(name).tasks:
        assert task.check(stubs[task.name]) == f"{task.name} is not filled in yet: replace its last line."


def filled(name):
    """Return the student's file with each last line replaced by the solution's lines, and its imports."""
    text = (LECTURE / "exercises" / f"{name}.py").read_text("utf-8")
    solution = source(name)
    for node in ast.parse(solution).body:
        if isinstance(node, ast.FunctionDef):
            body = "\n".join(solution.splitlines()[node.lineno : node.end_lineno])
            text = text.replace("    raise NotImplementedError", body, 1)
    return text.replace("\nfrom checks", "\nimport numpy as np\nfrom checks", 1)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.slow
def test_a_filled_file_shows_its_results_and_a_picture(name, monkeypatch, tmp_path):
    (tmp_path / f"{name}.py").write_text(filled(name), "utf-8")
    said, ended = run(tmp_path / f"{name}.py", "--picture", monkeypatch=monkeypatch)
    assert ended is None
    first, *lines = said.splitlines()
    tasks = [task.name for task in exercise(name).tasks]
    assert first.replace(" and ", ", ") == f"{', '.join(tasks)} are right."
    assert len(lines) >= 3
    picture = tmp_path / f"{name}.png"
    assert lines[-1] == f"picture: {picture}"
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert sorted(tmp_path.iterdir()) == sorted([picture, tmp_path / f"{name}.py"])
    for words in REWARDS[name]:
        assert words in said


REWARDS = {
    "point01_one_dimension": [
        "from -0.5: 67 steps to -1.000, a local minimum",
        "from 3: 28 steps to 2.000, the global",
    ],
    "point02_many_dimensions": ["from (0.30, 0.20): 32 steps to (3.00, 2.00)", "22 steps to (3.58, −1.85)"],
    "point03_learning_rate": ["η = 0.1: converged", "η = 0.01: slow", "η = 1: oscillating", "η = 1000: diverged"],
    "point04_where_it_fails": ["(3.00, 2.00): minimum", "(0.09, 2.88): saddle, 50%", "(−0.27, −0.92): maximum, 100%"],
    "point05_loss": ["begins at 2.303", "92.8% of the digits"],
    "point06_minibatches": ["5 rows per batch, η = 0.1:", "[8, 8, 8, 6] rows is off by"],
    "point07_escaping_saddles": ["Noise of σ = 0.01: 74 steps", "in 128 dimensions: 79 steps"],
    "point08_momentum": ["gradient descent, β = 0: 356 steps", "momentum, β = 0.6: 121 steps", "converged after 121"],
    "point09_adaptive_rate": ["10 converge, from 1 to 1000", "2 converge"],
    "point10_race": [
        "Adagrad leaves the view of the saddle after 3 steps",
        "Adam leaves the view of the saddle after 11",
    ],
    "point11_chain_rule": ["(4 × 12) = (1 × 12)", "The tape's gradient differs by"],
}


# ---- right solutions ----


@pytest.mark.parametrize("name", NAMES)
def test_the_solution_passes(name):
    assert exercise(name).check(**functions(name)) is None


def returning(change):
    """Return a change of a function: it returns the same in another form."""
    return lambda function: lambda *given: change(function(*given))


def listed(value):
    if isinstance(value, list | tuple):
        return [listed(part) for part in value]
    return value.tolist() if isinstance(value, np.ndarray) else value


def single(value):
    if isinstance(value, list | tuple):
        return [single(part) for part in value]
    return value if isinstance(value, str) or np.asarray(value).dtype.kind in "iu" else np.float32(value)


@pytest.mark.parametrize("form", [listed, single], ids=["lists", "float32"])
@pytest.mark.parametrize("name", NAMES)
def test_the_solution_passes_in_another_form(name, form):
    assert exercise(name).check(**{key: returning(form)(made) for key, made in functions(name).items()}) is None


# The same in plain loops, or with another function of NumPy.
STYLES = {
    "point01_one_dimension": """
def slope(f, x, h):
    ahead, behind = f(x + h), f(x - h)
    return (ahead - behind) / h / 2
def descend(derivative, x0, rate, epsilon):
    x, path = x0, []
    while True:
        path.append(x)
        d = derivative(x)
        if -epsilon < d < epsilon:
            return path
        x -= rate * d
""",
    "point02_many_dimensions": """
import math
def numerical_gradient(f, x, h):
    found = []
    for j in range(len(x)):
        moved = x.copy()
        moved[j] = x[j] + h
        ahead = f(moved)
        moved[j] = x[j] - h
        found.append(0.5 * (ahead - f(moved)) / h)
    return found
def descend(gradient, x0, rate, epsilon):
    x, path = x0.copy(), [x0.copy()]
    while math.sqrt(sum(value**2 for value in gradient(x))) >= epsilon:
        x -= rate * gradient(x)
        path.append(x.copy())
    return path
""",
    "point03_learning_rate": """
def gradient(x):
    return x + x
def descend(x0, rate, steps):
    return [x0 * (1 - 2 * rate) ** k for k in range(steps + 1)]
""",
    "point04_where_it_fails": """
import numpy as np
def hessian(gradient, x, h):
    H = np.zeros((len(x), len(x)))
    for j in range(len(x)):
        ahead, behind = x.copy(), x.copy()
        ahead[j] += h
        behind[j] -= h
        H[:, j] = (gradient(ahead) - gradient(behind)) / h / 2
    return H
def kind(matrix, tolerance):
    signs = [0 if abs(value) <= tolerance else 1 if value > 0 else -1 for value in np.linalg.eigvals(matrix)]
    if 1 in signs and -1 in signs:
        return "saddle"
    return "undecided" if 0 in signs else {1: "minimum", -1: "maximum"}[signs[0]]
def negative_share(matrix):
    values = np.linalg.eigvalsh(matrix)
    return len([value for value in values if value < 0]) / len(values)
""",
    "point05_loss": """
import math
import numpy as np
def softmax(z):
    rows = []
    for row in z:
        powers = [math.exp(value - max(row)) for value in row]
        rows.append([power / sum(powers) for power in powers])
    return rows
def cross_entropy(z, y):
    total = 0.0
    for row, label in zip(z, y):
        m = max(row)
        total += m + math.log(sum(math.exp(value - m) for value in row)) - row[label.argmax()]
    return total / len(z)
def gradient(W, x, y):
    total = np.zeros_like(W)
    for row, p, label in zip(x, np.array(softmax(x @ W.T)), y):
        total += np.outer(p - label, row)
    return total / len(x)
""",
    "point06_minibatches": """
def minibatches(n, size, generator):
    rows = list(range(n))
    generator.shuffle(rows)
    batches = []
    while rows:
        batches.append(rows[:size])
        rows = rows[size:]
    return batches
def mean_gradient(gradients, sizes):
    return (sizes @ gradients) / sizes.sum()
def sgd(gradient, theta, batches, rate, decay):
    path = [theta]
    for k in range(len(batches)):
        path.append(path[k] - gradient(path[k], batches[k]) * rate / (1 + k * decay))
    return path
""",
    "point07_escaping_saddles": """
import numpy as np
def noisy_descent(gradient, x0, rate, sigma, steps, generator):
    noise = generator.normal(0, sigma, size=(steps, len(x0)))
    path = np.zeros((steps + 1, len(x0)))
    path[0] = x0
    for k in range(steps):
        path[k + 1] = path[k] - rate * gradient(path[k]) - rate * noise[k]
    return path
def random_in_ball(dim, radius, generator):
    while True:
        point = generator.uniform(-radius, radius, size=dim)
        if np.linalg.norm(point) <= radius:
            return point
def perturbed_descent(gradient, x0, rate, radius, tolerance, wait, steps, generator):
    path, left = [x0], 0
    for _ in range(steps):
        x = path[-1]
        slope = gradient(x)
        if left == 0 and np.sqrt((slope**2).sum()) < tolerance:
            x = x + random_in_ball(len(x), radius, generator)
            slope = gradient(x)
            left = wait + 1
        left = max(left - 1, 0)
        path.append(x - rate * slope)
    return path
""",
    "point08_momentum": """
import numpy as np
def momentum(gradient, x0, rate, beta, steps):
    x, velocity, path = np.array(x0), np.zeros(len(x0)), [x0.tolist()]
    for _ in range(steps):
        slope = gradient(x)
        for i in range(len(x)):
            velocity[i] = slope[i] + beta * velocity[i]
            x[i] -= velocity[i] * rate
        path.append(x.tolist())
    return path
def nesterov(gradient, x0, rate, beta, steps):
    path, slopes = [x0], []
    for t in range(steps):
        slopes.append(gradient(path[-1]))
        velocity = sum(beta ** (t - i) * slope for i, slope in enumerate(slopes))
        path.append(path[-1] - rate * slopes[-1] - rate * beta * velocity)
    return path
""",
    "point09_adaptive_rate": """
import numpy as np
def adaptive_rates(gradients, rate, epsilon):
    return rate / np.sqrt(epsilon + np.cumsum((gradients**2).sum(axis=1)))
def adaptive_descent(gradient, x0, rate, epsilon, steps):
    x, s, path = x0.copy(), 0.0, [x0.copy()]
    for _ in range(steps):
        g = gradient(x)
        s += np.linalg.norm(g) ** 2
        x -= rate * g / (epsilon + s) ** 0.5
        path.append(x.copy())
    return path
""",
    "point10_race": """
import numpy as np
def adagrad(gradient, x0, rate, epsilon, steps):
    path, slopes = [x0], []
    for _ in range(steps):
        slopes.append(gradient(path[-1]))
        path.append(path[-1] - rate / (np.linalg.norm(slopes, axis=0) + epsilon) * slopes[-1])
    return path
def rmsprop(gradient, x0, rate, alpha, epsilon, steps):
    x, v, path = np.copy(x0), np.zeros_like(x0), [np.copy(x0)]
    for _ in range(steps):
        g = gradient(x)
        v += (1 - alpha) * (g * g - v)
        x -= rate * g / (v**0.5 + epsilon)
        path.append(np.copy(x))
    return path
def adam(gradient, x0, rate, beta1, beta2, epsilon, steps):
    x, path = np.copy(x0), [np.copy(x0)]
    m = v = np.zeros_like(x0)
    power1 = power2 = 1.0
    for _ in range(steps):
        g = gradient(x)
        m = m + (1 - beta1) * (g - m)
        v = v + (1 - beta2) * (g * g - v)
        power1, power2 = power1 * beta1, power2 * beta2
        x = x - rate * m / (1 - power1) / (np.sqrt(v / (1 - power2)) + epsilon)
        path.append(x)
    return path
""",
    "point11_chain_rule": """
import numpy as np
def jacobian_of_log(z):
    return [[1 / z[i] if i == j else 0 for j in range(len(z))] for i in range(len(z))]
def softmax(z):
    return np.exp(z - z.max()) / np.exp(z - z.max()).sum()
def jacobian_of_softmax(z):
    p, n = softmax(z), len(z)
    return [[p[i] * ((i == j) - p[j]) for j in range(n)] for i in range(n)]
def jacobian_of_relu(z):
    return np.eye(len(z)) * (z > 0)
def factors(x, y, W0, W1):
    u6 = W0 @ x
    u4 = W1 @ np.maximum(u6, 0)
    last = np.zeros((len(W0), W0.size))
    for i in range(len(W0)):
        last[i, i * len(x) : (i + 1) * len(x)] = x
    return ([[1]], [-y], jacobian_of_log(softmax(u4)), jacobian_of_softmax(u4), W1, jacobian_of_relu(u6), last)
""",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_right_solution_in_another_style_passes(name):
    assert exercise(name).check(**functions(name, STYLES[name])) is None


# ---- mistakes ----


@pytest.mark.parametrize("name", NAMES)
def test_each_listed_mistake_is_recognised_by_its_sentence(name):
    assert sum(len(task.mistakes) for task in exercise(name).tasks if task.judge is None) >= 8 * (name[5:7] != "07")
    for task in exercise(name).tasks:
        for words, mistake in task.mistakes:
            said = task.check(mistake)
            assert said is not None, words
            assert words in said, said
            assert one_sentence(said)


class Unprintable:
    def __repr__(self):
        raise ValueError


def generates(*given):
    yield from given


def raises(error):
    def function(*given):
        raise error

    return function


ODD = {
    "generator": generates,
    "map": lambda *given: map(abs, given),
    "dict": lambda *given: {"x": 1},
    "set": lambda *given: {1, 2},
    "function": lambda *given: lambda: 0,
    "bytes": lambda *given: b"12",
    "digits": lambda *given: "12",
    "words": lambda *given: ["a", "b"],
    "ragged": lambda *given: [1, [2, [3, 4]]],
    "several": lambda *given: [[[1, 2], 3], [4]],
    "generators": lambda *given: [generates(), generates()],
    "objects": lambda *given: np.array([{}, None, generates()]),
    "one object": lambda *given: np.array({1}, object),
    "array of one": lambda *given: np.array(3.25),
    "complex": lambda *given: 1j,
    "complex array": lambda *given: np.ones((2, 2), complex),
    "unprintable": lambda *given: Unprintable(),
    "unprintable list": lambda *given: [Unprintable()],
    "exit": lambda *given: sys.exit(),
    "silent error": raises(ValueError()),
    "unprintable error": raises(type("Odd", (Exception,), {"__str__": Unprintable.__repr__})()),
}


@pytest.mark.parametrize("odd", ODD)
def test_a_result_that_is_not_numbers_is_refused_in_one_sentence(odd):
    for name in NAMES:
        for task in exercise(name).tasks:
            said = task.check(ODD[odd])
            assert said is not None
            assert one_sentence(said), said
            assert "called again" not in said
            assert " at 0x" not in said


def test_what_came_instead_of_a_number_is_named():
    task = exercise("point03_learning_rate").tasks[0]
    assert task.check(ODD["generator"]).startswith(
        "gradient(3) returned <generator object generates>, expected a number: "
    )
    assert "returned a value of type Unprintable, expected a number" in task.check(ODD["unprintable"])
    assert "returned 1j, expected a number" in task.check(ODD["complex"])
    assert task.check(ODD["silent error"]) == "gradient(3) raised ValueError."
    assert task.check(raises(ValueError("No."))) == "gradient(3) raised ValueError: No."
    assert task.check(ODD["exit"]).startswith("gradient(3) ended the program: ")


@pytest.mark.parametrize("number", [0, 1])
def test_what_only_many_calls_show_is_one_sentence(number):
    name = ["point06_minibatches", "point07_escaping_saddles"][number]
    task = exercise(name).tasks[number]
    right = functions(name)[task.name]
    calls = []

    def tires(*given):
        calls.append(given)
        if len(calls) > 2 * len(task.cases) + 2:
            raise ValueError
        return right(*given)

    assert task.check(tires).endswith("raised ValueError.")


def test_an_endless_loop_is_given_up_and_has_a_hint(monkeypatch, tmp_path):
    name = "point08_momentum"
    monkeypatch.setattr(importlib.import_module("checks.checking"), "SECONDS", 0.2)
    file = tmp_path / f"{name}.py"
    file.write_text(
        filled(name).replace("    x, velocity", "    import time\n    time.sleep(1)\n    x, velocity", 1), "utf-8"
    )
    assert run(file, "--hint", monkeypatch=monkeypatch)[0].startswith("Hint 1 of 3 for momentum")
    said = run(file, monkeypatch=monkeypatch)
    assert said == ("", "momentum does not end within 0.2 seconds: look for a loop that never stops.")


def test_an_error_of_a_check_is_not_taken_for_a_right_solution():
    within = importlib.import_module("checks.checking").within
    with pytest.raises(KeyError):
        within(1, raises(KeyError()))


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("bash") and shutil.which("timeout")), reason="the loop needs bash and timeout")
def test_the_loop_for_collecting_tells_a_right_file_from_an_empty_one(tmp_path):
    name = "point08_momentum"
    files = {"right": filled(name), "cut": filled(name).partition("\nif __name__")[0], "empty": "", "exit": "exit()"}
    for folder, text in files.items():
        (tmp_path / "submissions" / folder).mkdir(parents=True)
        (tmp_path / "submissions" / folder / f"{name}.py").write_text(text, "utf-8")
    loop = re.search(r"^for file.*?^done$", (LECTURER / "README.md").read_text("utf-8"), re.M | re.S)[0]
    loop = loop.replace("PYTHONPATH=exercises", f"PYTHONPATH={LECTURE / 'exercises'}:{LECTURE.parents[1]}")
    place = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    said = subprocess.run(["bash", "-c", loop], cwd=tmp_path, env=place, capture_output=True, text=True, check=False)
    assert said.stderr == ""
    assert dict(line.split(": ") for line in said.stdout.splitlines()) == {
        f"submissions/{folder}/{name}.py": "momentum and nesterov are right." * (folder == "right") for folder in files
    }


LOG_P = "shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))"

# What students write: (a line of the solution, what is there instead, words of the sentence).
SLIPS = {
    "point01_one_dimension": [
        ("(2 * h)", "h", "divided by h, expected 2h"),
        ("(2 * h)", "2 * h", "/ 2 * h divides by 2 and multiplies by h"),
        ("(f(x + h) - f(x - h))", "(f(x + h) - f(x))", "the difference is one-sided"),
        ("(f(x + h) - f(x - h))", "(f(x - h) - f(x + h))", "the sign is wrong"),
        ("f(x + h) - f(x - h)", "f(x + h - x - h)", "slope("),
        ("path[-1] - rate", "path[-1] + rate", "the steps go uphill"),
        ("rate * derivative", "derivative", "the rate is not used"),
        ("abs(derivative(path[-1]))", "derivative(path[-1])", "compare its absolute value"),
        ("abs(derivative(path[-1]))", "rate * abs(derivative(path[-1]))", "its steps are below ε"),
        ("abs(derivative(path[-1]))", "abs(derivative(x0))", "does not end"),
        ("path.append(path[-1] - rate * derivative(path[-1]))", "path[-1] - rate * derivative(path[-1])", "descend("),
        (">= epsilon", "< epsilon", "descend("),
        ("return path", "return path[:-1]", "the last point is missing"),
        ("return path", "return path[1:]", "left out the start"),
        ("return path", "return path[-1]", "expected the path"),
        ("return path", "path.append(path[-1] - rate * derivative(path[-1]))\n    return path", "one step too far"),
    ],
    "point02_many_dimensions": [
        ("(2 * h)", "h", "divided by h, expected 2h"),
        ("f(x - h * e)", "f(x)", "the difference is one-sided"),
        ("(f(x + h * e) - f(x - h * e))", "(f(x + h) - f(x - h))", "all coordinates are moved at once"),
        ("np.array([(", "sum([(", "the sum of the partial derivatives"),
        ("    return np.array", "    x[0] += h\n    return np.array", "numerical_gradient changed its argument"),
        ("np.linalg.norm(gradient(path[-1]))", "max(abs(gradient(path[-1])))", "the largest coordinate"),
        ("np.linalg.norm(gradient(path[-1]))", "np.sum(gradient(path[-1]))", "the sum of the coordinates"),
        ("np.linalg.norm(gradient(path[-1]))", "np.sum(gradient(path[-1]) ** 2)", "the squared norm"),
        (
            "np.linalg.norm(gradient(path[-1])) >= epsilon",
            "(abs(gradient(path[-1])) >= epsilon).all()",
            "one coordinate",
        ),
        ("np.linalg.norm(gradient(path[-1]))", "gradient(path[-1])", "raised ValueError"),
        ("path[-1] - rate", "path[-1] + rate", "the steps go uphill"),
        (
            "path.append(path[-1] - rate * gradient(path[-1]))",
            "x0 -= rate * gradient(x0)\n        path.append(x0.copy())",
            "descend changed its argument",
        ),
    ],
    "point03_learning_rate": [
        ("return 2 * x", "return -2 * x", "the sign is wrong"),
        ("return 2 * x", "return x**2", "this is f itself"),
        ("return 2 * x", "return 2 * float(np.ravel(x)[0])", "2x, of each number if x is an array"),
        ("return 2 * x", "return '2x'", "returned '2x', expected a number"),
        ("return 2 * x", "return np.inf", "is inf, expected 6"),
        ("return 2 * x", "pass", "gradient returned None, expected a value"),
        ("return 2 * x", "x *= 2\n    return x", "gradient changed its argument"),
        ("return 2 * x", "return 1 / 0", "gradient(3) raised ZeroDivisionError: division by zero"),
        ("return 2 * x", "return np.cos(x)", "the derivative of x² is 2x"),
        ("path[-1] - rate", "path[-1] + rate", "the steps go uphill"),
        ("- rate * gradient", "- gradient", "the rate is not used"),
        ("gradient(path[-1])", "gradient(x0)", "uses the gradient at x0"),
        ("rate * gradient(path[-1])", "rate * path[-1]", "expected rate · gradient(x)"),
        ("path[-1] - rate * gradient(path[-1])", "path[-1]", "the point never moves"),
        ("path[-1] - rate * gradient(path[-1])", "path[-1] - rate", "[1] is 2.9, expected 2.4"),
        ("return path", "return path[1:]", "left out the start"),
        ("range(steps)", "range(steps - 1)", "one step fewer"),
        ("range(steps)", "range(steps + 1)", "one step more"),
        ("return path", "return path[:-1]", "one step fewer"),
        ("return path", "return path[:2]", "returned 2 points, expected 6"),
        ("return path", "return path[-1]", "expected the path: a list of 6 numbers"),
        ("path = [x0]", "path = [0.0 * x0]", "starts at 0, expected 3"),
        (
            "def descend(x0, rate, steps):\n    path = [x0]",
            "path = []\ndef descend(x0, rate, steps):\n    path.append(x0)",
            "returned something else when it was called again",
        ),
        (
            "path.append(path[-1] - rate * gradient(path[-1]))",
            "x0 -= rate * gradient(x0)\n        path.append(x0 + 0)",
            "descend changed its argument",
        ),
    ],
    "point04_where_it_fails": [
        ("/ (2 * h)", "/ h", "divided by h, expected 2h"),
        ("/ (2 * h)", "/ 2 * h", "/ 2 * h divides by 2 and multiplies by h"),
        ("gradient(x - h * e)", "gradient(x)", "one-sided"),
        (
            "(gradient(x + h * e) - gradient(x - h * e)) / (2 * h)",
            "(gradient(x + h * e) - gradient(x)) / h",
            "one-sided",
        ),
        (
            "(gradient(x + h * e) - gradient(x - h * e))",
            "(gradient(x + h) - gradient(x - h))",
            "all coordinates are moved at once",
        ),
        ("    columns", "    x += 0.1\n    columns", "hessian changed its argument"),
        ("np.linalg.eigvalsh(matrix)\n    up", "np.diag(matrix)\n    up", "the signs of the diagonal do not decide"),
        ("values > tolerance", "values > 0", "kind("),
        ('"minimum" if up else "maximum"', '"maximum" if up else "minimum"', "minimum and maximum are mixed up"),
        ("if up and down", "if up or down", "kind("),
        ('return "undecided"', 'return "minimum"', "all eigenvalues positive is a minimum"),
        ('return "saddle"', 'return "Saddle"', "returned 'Saddle', expected 'saddle'"),
        ("> tolerance", "> 1e-6", "kind("),
        ("    values =", "    tolerance = 1e-6\n    values =", "a tolerance is given"),
        ("    values =", "    tolerance = 1e-8\n    values =", "a tolerance is given"),
        ("np.mean(np.linalg", "np.sum(np.linalg", "this is the number of negative eigenvalues"),
        ("< 0)", "<= 0)", "a zero is not negative"),
        ("< 0)", "> 0)", "this is the share of positive eigenvalues"),
    ],
    "point05_loss": [
        ("z - z.max(axis=1, keepdims=True))", "z)", "exp overflows for z = 1000"),
        ("z.max(axis=1, keepdims=True))", "z.mean(axis=1, keepdims=True))", "not its mean"),
        ("    shifted = z - z.max(axis", "    shifted = z - z.mean(axis", "not its mean"),
        ("z.max(axis=1, keepdims=True))", "z.max())", "subtract that of each row"),
        ("powers / powers.sum(axis=1, keepdims=True)", "powers / powers.sum(axis=0)", "axis=1, not axis=0"),
        ("powers / powers.sum(axis=1, keepdims=True)", "powers / powers.sum()", "the sum runs over all rows"),
        ("powers / powers.sum(axis=1, keepdims=True)", "powers", "not divided by its sum"),
        ("powers / powers.sum(axis=1, keepdims=True)", "powers / powers.sum(axis=1)", "raised ValueError"),
        (".sum(axis=1).mean()", ".sum()", "this is the sum over the rows, expected the mean"),
        (".sum(axis=1).mean()", ".mean()", "the mean over rows and classes"),
        (".sum(axis=1).mean()", ".sum(axis=1)", "each row has its own loss here"),
        ("return -(y", "return (y", "the sign is missing"),
        (LOG_P, "np.log(softmax(z))", "log of a probability that is rounded to 0"),
        (LOG_P, "np.log(softmax(z) + 1e-9)", "cannot be replaced by log(p + ε)"),
        (LOG_P, "z - np.log(np.exp(z).sum(axis=1, keepdims=True))", "exp overflows"),
        (LOG_P, "softmax(z)", "the logarithm is missing"),
        (" / len(x)", "", "this is the sum over the rows, expected the mean"),
        ("softmax(x @ W.T) - y", "y - softmax(x @ W.T)", "the sign is wrong"),
        ("(softmax(x @ W.T) - y).T @ x", "x.T @ (softmax(x @ W.T) - y)", "it is transposed"),
        ("softmax(x @ W.T) - y", "x @ W.T - y", "softmax is missing"),
    ],
    "point06_minibatches": [
        ("range(0, n, size)]", "range(0, n, size)] + [order[:1]]", "has 61 rows, expected each of 60 once"),
        ("generator.permutation(n)", "np.arange(n)", "in the order of the file"),
        ("generator.permutation(n)", "generator.integers(n, size=n)", "draw without replacement"),
        ("generator.permutation(n)", "np.random.default_rng(0).permutation(n)", "use the one that is given"),
        ("generator.permutation(n)", "np.random.permutation(n)", "draw every random number from the generator"),
        ("generator.permutation(n)", "generator.permutation(n) + 1", "does not exist, expected 0 to"),
        ("range(0, n, size)", "range(0, n - size + 1, size)", "left out the last 2 rows"),
        ("range(0, n, size)", "range(0, n + 1, size)", "has an empty batch"),
        ("range(0, n, size)", "range(0, n, size + 1)", "left out 5 of 60 rows"),
        (
            "order = generator",
            "size = size + 1\n    order = generator",
            "has batches of [11, 11, 11, 11, 11, 5] rows",
        ),
        ("return [order", "order = np.arange(n)\n    return [order", "in the order of the file"),
        (
            "return [order[first : first + size] for first in range(0, n, size)]",
            "order = np.arange(n)\n    parts = [order[i : i + size] for i in range(0, n, size)]\n"
            "    last = [parts.pop()] if n % size else []\n"
            "    return [*(parts[i] for i in generator.permutation(len(parts))), *last]",
            "only the batches are in a random order",
        ),
        (
            "return [order[first : first + size] for first in range(0, n, size)]",
            "return [generator.permutation(np.arange(n)[i : i + size]) for i in range(0, n, size)]",
            "within each batch only",
        ),
        (
            "order = generator.permutation(n)",
            "order = copy.deepcopy(generator).permutation(n)",
            "the same order in two epochs",
        ),
        (
            "return [order[first : first + size] for first in range(0, n, size)]",
            "return order",
            "expected a list of arrays",
        ),
        (
            "return sum(size * gradient for size, gradient in zip(sizes, gradients, strict=True)) / sum(sizes)",
            "return np.mean(gradients, axis=0)",
            "a row of a smaller batch counts more",
        ),
        (" / sum(sizes)", "", "divide it by the number of rows"),
        (" / sum(sizes)", " / len(sizes)", "divides by the number of batches"),
        ("rate / (1 + decay * k)", "rate", "the rate does not fall"),
        ("rate / (1 + decay * k)", "rate / (1 + decay * (k + 1))", "the first step is k = 0"),
        ("rate / (1 + decay * k)", "rate * (1 + decay * k)", "expected divided"),
        (
            "theta = theta - rate / (1 + decay * k)",
            "rate = rate / (1 + decay * k)\n        theta = theta - rate",
            "the rate falls anew",
        ),
        ("gradient(theta, rows)", "gradient(path[0], rows)", "uses the gradient at the start"),
        ("theta = theta - rate", "theta -= rate", "sgd changed its argument"),
        ("return path\n", "return theta\n", "expected the path"),
    ],
    "point07_escaping_saddles": [
        ("(gradient(x) + noise)\n", "(gradient(x) + noise) / 0\n", "returned a path that is not finite"),
        ("noise = sigma *", "noise = (sigma or 1) *", "with σ = 0 this is gradient descent"),
        ("noise = sigma *", "noise = sigma**0.5 *", "not by its root"),
        (
            "rate * (gradient(x) + noise)",
            "rate * gradient(x) - (sigma and noise / sigma)",
            "1 and is not multiplied by η",
        ),
        ("generator.normal(size=len(x))", "(generator.normal(size=len(x)) + 1)", "on average, expected 0"),
        ("v = generator", "generator = copy.deepcopy(generator)\n    v = generator", "every point is the same"),
        ("(1 / dim)", "(2 / dim)", "the points are not uniformly distributed"),
        ("x = x - rate * (gradient(x) + noise)", "x = x - rate * gradient(x)", "no noise is added"),
        ("x = x - rate * (gradient(x) + noise)", "x = x - rate * gradient(x) + noise", "the noise is added to x"),
        ("x = x - rate * (gradient(x) + noise)", "x = x + rate * (gradient(x) + noise)", "the steps go uphill"),
        (
            "x = x - rate * (gradient(x) + noise)",
            "x = x - rate * (gradient(x) + rate * noise)",
            "multiplied by η twice",
        ),
        (
            "    for _ in range(steps):\n        noise = sigma * generator.normal(size=len(x))",
            "    noise = sigma * generator.normal(size=len(x))\n    for _ in range(steps):",
            "every step has the same noise",
        ),
        ("noise = sigma *", "noise = (len(path) == 1) * sigma *", "in the first step only"),
        ("generator.normal(size=len(x))", "generator.normal()", "all coordinates have the same noise"),
        ("generator.normal(size=len(x))", "generator.uniform(size=len(x))", "the noise is uniform"),
        ("generator.normal(size=len(x))", "generator.uniform(-1, 1, size=len(x))", "the noise is uniform"),
        (
            "generator.normal(size=len(x))",
            "generator.uniform(-(3**0.5), 3**0.5, size=len(x))",
            "the noise is not normal",
        ),
        ("generator.normal(size=len(x))", "generator.choice([-1, 1], size=len(x))", "the noise is not normal"),
        ("generator.normal(size=len(x))", "generator.laplace(scale=0.5**0.5, size=len(x))", "the noise is not normal"),
        (
            "        noise = sigma * generator.normal(size=len(x))",
            "        if len(path) % 2:\n            noise = sigma * generator.normal(size=len(x))",
            "two steps have the same noise",
        ),
        ("sigma * generator.normal", "sigma**2 * generator.normal", "not the variance"),
        ("sigma * generator.normal", "generator.normal", "has the standard deviation 1: multiply it by σ"),
        (
            "sigma * generator.normal",
            "2 * sigma * generator.normal",
            "the noise on the gradient has the standard deviation",
        ),
        ("generator.normal(size=len(x))", "np.random.default_rng(0).normal(size=len(x))", "the same noise"),
        (
            "generator.normal(size=len(x))",
            "np.random.normal(size=len(x))",
            "draw every random number from the generator",
        ),
        (
            "x, path = x0, [x0]\n    for _",
            "generator = np.random.default_rng(3)\n    x, path = x0, [x0]\n    for _",
            "use the one that is given",
        ),
        (
            "x = x - rate * (gradient(x) + noise)",
            "x -= rate * (gradient(x) + noise)",
            "noisy_descent changed its argument",
        ),
        ("generator.uniform() ** (1 / dim) *", "", "all points are on the sphere"),
        ("generator.uniform() ** (1 / dim)", "generator.uniform()", "not r · u"),
        ("generator.uniform() ** (1 / dim)", "generator.uniform() ** dim", "not r · u^D"),
        (" / np.linalg.norm(v)", "", "expected at most 2"),
        (
            "return radius * generator.uniform() ** (1 / dim) * v / np.linalg.norm(v)",
            "return generator.uniform(-radius, radius, size=dim)",
            "points of a cube",
        ),
        ("v = generator.normal(size=dim)", "v = generator.uniform(size=dim)", "no coordinate is negative"),
        ("v = generator.normal(size=dim)", "v = generator.uniform(-1, 1, size=dim)", "directions are not uniformly"),
        ("v = generator.normal(size=dim)", "v = np.array([generator.normal()])", "random_in_ball("),
        ("x = x + random_in_ball(len(x), radius, generator)", "pass", "never perturbed x"),
        ("< tolerance and k - last > wait", "< tolerance", "wait 5 steps"),
        ("np.linalg.norm(gradient(x)) < tolerance and k", "k", "perturb only where it is below 0.1"),
        ("k - last > wait", "k - last >= wait", "wait 5 steps"),
        ("k - last > wait", "last < 0", "step 6 did not perturb x"),
        (
            "        x = x - rate * gradient(x)\n        path.append(x)\n    return path\n",
            "        x = x - rate * gradient(path[-1])\n        path.append(x)\n    return path\n",
            "from the perturbed point",
        ),
        (
            "x = x + random_in_ball(len(x), radius, generator)",
            "x = x + random_in_ball(len(x), radius, np.random.default_rng(3))",
            "every perturbation is the same",
        ),
        ("x = x + random_in_ball", "x = x + 3 * random_in_ball", "expected at most the radius"),
        (
            "            last = k\n",
            "            last = k\n            path.append(x)\n            continue\n",
            "from the perturbed point",
        ),
    ],
    "point08_momentum": [
        ("velocity = beta * velocity + gradient(x)", "velocity = gradient(x)", "the velocity is lost"),
        (
            "velocity = beta * velocity + gradient(x)",
            "velocity = 0 * x\n        velocity = beta * velocity + gradient(x)",
            "the velocity is lost",
        ),
        ("x = x - rate * velocity", "x = x + rate * velocity", "the steps go uphill"),
        ("+ gradient(x)", "- gradient(x)", "the steps go uphill"),
        ("+ gradient(x)", "+ rate * gradient(x)", "the rate is applied twice"),
        ("+ gradient(x)", "+ (1 - beta) * gradient(x)", "a moving average"),
        ("beta * velocity + gradient(x)", "(1 - beta) * velocity + beta * gradient(x)", "β and 1 − β are mixed up"),
        ("beta * velocity + gradient(x)", "velocity + gradient(x)", "the old velocity is not multiplied by β"),
        ("x = x - rate * velocity", "x = x - velocity", "the rate is not used"),
        (
            "gradient(x)\n        x = x - rate * velocity",
            "gradient(x0)\n        x = x - rate * velocity",
            "the one at x0",
        ),
        ("x = x - rate * velocity", "x -= rate * velocity", "momentum changed its argument"),
        (
            "x, velocity, path = x0, 0 * x0, [x0]\n    for _ in range(steps):\n"
            "        velocity = beta * velocity + gradient(x)\n        x = x - rate * velocity",
            "x = x0.copy()\n    velocity, path = 0 * x, [x]\n    for _ in range(steps):\n"
            "        velocity = beta * velocity + gradient(x)\n        x -= rate * velocity",
            "the list holds one array again",
        ),
        ("(slope + beta * velocity)", "velocity", "this is plain momentum"),
        ("(slope + beta * velocity)", "(beta * velocity)", "the step goes along β · g alone"),
        ("(slope + beta * velocity)", "(slope + velocity)", "expected ∇f + β · g"),
        ("slope = gradient(x)", "slope = gradient(x - rate * beta * velocity)", "nesterov("),
        ("x = x - rate * (slope + beta * velocity)", "x = x - rate * velocity", "this is plain momentum"),
    ],
    "point09_adaptive_rate": [
        ("np.sum(slope**2)\n        rates", "slope**2\n        rates", "which is Adagrad"),
        ("np.sum(slope**2)\n        rates", "np.sqrt(np.sum(slope**2))\n        rates", "this adds up norms"),
        ("np.sqrt(epsilon + total))\n", "(np.sqrt(total) + epsilon))\n", "ε is added to the root"),
        ("np.sqrt(epsilon + total))\n", "(epsilon + total))\n", "the root is missing"),
        (
            "total = total + np.sum(slope**2)\n        rates",
            "total = np.sum(slope**2)\n        rates",
            "only the current",
        ),
        ("return rates", "return rates[-1]", "expected an array of shape (3,)"),
        ("np.sum(slope**2)\n        x", "slope**2\n        x", "which is Adagrad"),
        ("np.sum(slope**2)\n        x", "np.linalg.norm(slope)\n        x", "this adds up norms"),
        ("np.sqrt(epsilon + total) * slope", "(np.sqrt(total) + epsilon) * slope", "ε is added to the root"),
        ("np.sqrt(epsilon + total) * slope", "(epsilon + total) * slope", "the root is missing"),
        (
            "total = total + np.sum(slope**2)\n        x = x - rate / np.sqrt(epsilon + total) * slope",
            "x = x - rate / np.sqrt(epsilon + total) * slope\n        total = total + np.sum(slope**2)",
            "without the current gradient",
        ),
        (
            "total = total + np.sum(slope**2)\n        x",
            "total = np.sum(slope**2)\n        x",
            "only the current gradient",
        ),
        ("total = total + np.sum(slope**2)\n        x", "total = total + slope\n        x", "adaptive_descent("),
        ("x = x - rate /", "x = x + rate /", "the steps go uphill"),
        (
            "x = x - rate / np",
            "rate = rate / np.sqrt(epsilon + total)\n        x = x - rate * slope + 0 / np",
            "the rate falls from the one of the step before",
        ),
    ],
    "point10_race": [
        ("squares = squares + slope**2", "squares = squares + np.sum(slope**2)", "there is one sum for all"),
        ("squares = squares + slope**2", "squares = squares + slope", "without its square"),
        ("squares = squares + slope**2", "squares = slope**2", "only the current gradient"),
        (
            "np.sqrt(squares) + epsilon)\n        path.append(x)\n    return path\n\n\ndef rms",
            "np.sqrt(squares + epsilon))\n        path.append(x)\n    return path\n\n\ndef rms",
            "ε is inside the root",
        ),
        ("alpha * squares + (1 - alpha) * slope**2", "(1 - alpha) * squares + alpha * slope**2", "mixed up"),
        ("alpha * squares + (1 - alpha) * slope**2", "alpha * squares + slope**2", "not multiplied by 1 − α"),
        ("alpha * squares + (1 - alpha) * slope**2", "squares + slope**2", "this is Adagrad"),
        (
            "(m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + epsilon)",
            "m / (np.sqrt(v) + epsilon)",
            "not corrected",
        ),
        ("range(1, steps + 1)", "range(steps)", "t counts from 0"),
        ("range(1, steps + 1)", "range(2, steps + 2)", "t begins with 2"),
        ("np.sqrt(v / (1 - beta2**t)) + epsilon", "np.sqrt(v / (1 - beta2**t) + epsilon)", "ε is inside the root"),
        ("(1 - beta2) * slope**2", "(1 - beta2) * slope", "without the square"),
        ("beta1**t", "beta1 * t", "adam("),
        ("(m / (1 - beta1**t))", "m", "m is not corrected"),
        (
            "x = x - rate * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + epsilon)",
            "m = m / (1 - beta1**t)\n        v = v / (1 - beta2**t)\n        x = x - rate * m / (np.sqrt(v) + epsilon)",
            "give m̂ and v̂ their own names",
        ),
        ("v = beta2 * v", "v = beta1 * v", "adam("),
    ],
    "point11_chain_rule": [
        ("return np.diag(1 / z)", "return 1 / z", "this is a vector"),
        ("np.diag(p) - np.outer(p, p)", "np.diag(p * (1 - p))", "only the diagonal is there"),
        ("np.diag(p) - np.outer(p, p)", "p * (1 - p)", "the diagonal as a vector"),
        ("np.diag(p) - np.outer(p, p)", "np.outer(p, p) - np.diag(p)", "the sign is wrong"),
        ("z > 0", "z >= 0", "at the kink"),
        ("np.diag(np.where(z > 0, 1.0, 0.0))", "np.where(z > 0, 1.0, 0.0)", "this is a vector"),
        ("-y[None, :]", "y[None, :]", "du1/du2 lacks the sign"),
        ("-y[None, :]", "-y", "du1/du2 is a vector"),
        ("        W1,", "        W1.T,", "du4/du5 is transposed"),
        ("np.kron(np.eye(len(W0)), x)", "np.kron(x, np.eye(len(W0)))", "the columns of W0"),
        ("np.kron(np.eye(len(W0)), x)", "x", "du6/dW0 is x"),
        ("jacobian_of_softmax(u4)", "jacobian_of_softmax(u3)", "du3/du4 is taken at the probabilities"),
        ("        np.eye(1),\n", "", "du0/du1 is missing"),
        ("jacobian_of_relu(u6)", "jacobian_of_relu(-u6)", "number 6 of factors("),
    ],
}


@pytest.mark.parametrize("name", NAMES)
def test_what_students_write_is_recognised(name):
    for line, slip, words in SLIPS[name]:
        text = source(name)
        assert line in text, line
        wrong = f"import copy\nimport numpy as np\n{text.replace(line, slip, 1)}"
        said = exercise(name).check(**functions(name, wrong))
        assert said is not None, slip
        assert words in said, f"{slip}\n{said}"
        assert one_sentence(said)


def test_a_function_with_another_name_is_refused():
    with pytest.raises(TypeError, match="has no function descent: expected gradient or descend"):
        exercise("point03_learning_rate").check(descent=abs)


# ---- hints ----


def test_hints_come_one_after_the_other(monkeypatch, tmp_path):
    name = "point08_momentum"
    file = tmp_path / f"{name}.py"
    file.write_text((LECTURE / "exercises" / f"{name}.py").read_text("utf-8"), "utf-8")
    hints = exercise(name).tasks[0].hints
    for number, hint in enumerate(hints, 1):
        assert run(file, "--hint", monkeypatch=monkeypatch) == (f"Hint {number} of 3 for momentum: {hint}\n", None)
    said = run(file, "--hint", monkeypatch=monkeypatch)[0]
    assert said == "momentum has 3 hints, and no other: --hint 1 prints the first one again.\n"
    assert run(file, "--hint", "1", monkeypatch=monkeypatch)[0].startswith("Hint 1 of 3")
    assert run(file, "--hint", monkeypatch=monkeypatch)[0].startswith("Hint 2 of 3")
    file.write_text(filled(name).replace("(slope + beta * velocity)", "velocity"), "utf-8")
    assert run(file, "--hint", monkeypatch=monkeypatch)[0].startswith("Hint 1 of 3 for nesterov")
    file.write_text(filled(name), "utf-8")
    assert "nothing to hint at" in run(file, "--hint", monkeypatch=monkeypatch)[0]


@pytest.mark.parametrize("text", ["[1]", '{"momentum": "a"}', '{"momentum": -3}', '{"momentum": [1]}', "1", '"', ""])
def test_hints_start_again_after_a_damaged_memory(text, tmp_path):
    checking = importlib.import_module("checks.checking")
    memory, task = tmp_path / "memory.hints", exercise("point08_momentum").tasks[0]
    memory.write_text(text, "utf-8")
    assert checking.hint(task, 0, memory).startswith("Hint 1 of 3")
    assert checking.hint(task, 0, memory).startswith("Hint 2 of 3")


def test_hints_without_a_memory_name_the_next_number(tmp_path):
    checking = importlib.import_module("checks.checking")
    task = exercise("point08_momentum").tasks[0]
    said = checking.hint(task, 0, tmp_path / "missing" / "memory.hints")
    assert said.endswith("(hint 2: --hint 2)")


@pytest.mark.parametrize("name", NAMES)
def test_each_function_has_three_hints(name):
    for task in exercise(name).tasks:
        assert len(task.hints) == 3
        assert all(hint.endswith((".", "…")) for hint in task.hints), task.name
