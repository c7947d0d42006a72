"""What the page computes by itself, in the file without a server: functions, paths and verdicts as in Python."""

from __future__ import annotations

import json

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import optim
from gpugrad.errors import ArgumentError
from gpugrad.lab import SURFACES, expression, page, surface
from gpugrad.lab.expression import parse, typeset
from gpugrad.lab.own_function import own_function
from gpugrad.lab.page.document import _read
from gpugrad.lab.verdict import words
from gpugrad.lab.view import LOOKS

PARTS = ("link.js", "expression.js", "network_loss.js", "optimizers.js", "verdict.js", "descent.js", "live.js")
ACCEPTED = (
    "x", "-x**2 + y", "x**2 + 3*sin(y)", "2**-3*x", "-2**2*x", "x**-2 + y**0.5", "(x - y)*(x + y)/(1 + x**2)",
    "x**2**2", "+x - -y", "--x", "1e-3*x + .5*y + 2.*x", "exp(-x**2/2)*cos(3*y)", "log(x**2 + 1) + sqrt(y**2 + pi)",
    "abs(x) + e*y", "tanh(x)*sigmoid(y) + relu(x - 1)", "sin( cos (x) )", "sin(x,)", " x + y ", "1/x", "x/y/2",
    "x - y - 1", "2**3**0.5*x", "x**0", "sqrt(2)*x + sin(1)*y", "00*x + y", "(((x))) + (y)", "x**(1 + 1)",
)  # fmt: skip
REFUSED = (
    "", "   ", "5", "2*pi", "x^2", "x**y", "2**x", "x**21", "x**-20.5", "foo(x)", "foo", "x +", "x y", "2x", "sin x",
    "sin", "sin()", "sin(x, y)", "sin(x,,)", "x(y)", "(x", "x)", "()", "x,", "1j*x", "0x10*x", "1_0*x", "07*x", "x//2",
    "x % 2", "x if y else 1", "lambda x", "x.real", "__import__", "(-8)**(1/3)*x", "1/0*x", "exp(1000)*x", "0**-1*x",
    "x\ny", "x = 1", "'x'", "[x]", "x;y", "é*x", "x" + "+1" * 100, "(" * 150 + "x" + ")" * 150, "1e999*x", "True*x",
    "x*", "*x", "x***2", "sin(x)(y)", "x**sin(y)", "x<y", "1..real", "sin(*x)", "not x", "x and y", "constructor(x)",
    "toString", "__proto__",
)  # fmt: skip
FUNCTIONS = (
    "x**2 + 3*sin(y)",
    "(1 - x)**2 + 100*(y - x**2)**2",
    "1 - exp(-(x**2 + y**2)/2)",
    "log(1 + x**2) + abs(y - 1)/3",
)


@pytest.fixture(scope="module")
def live(chromium):
    """Evaluate a script that sees the computing parts of the page, and data as constants; return its result."""
    setup = page.document(described={}).partition('id="setup">')[2].partition("</script>")[0]
    source = f"const setup = {setup};\n" + "\n".join(map(_read, PARTS))

    def call(script, **data):
        constants = "".join(f"const {name} = {json.dumps(value)};" for name, value in data.items())
        chromium.get("about:blank")
        return json.loads(chromium.execute_script(f"{source}\n{constants} return JSON.stringify({script});"))

    return call


def rate(name, descent):
    """Return a cautious learning rate, so that paths are long."""
    return optim.RULES[name].lab_rate(descent, 0.05)


# ---- functions from text ----


def test_what_python_accepts_the_page_accepts_with_the_same_derivatives(live):
    points = np.random.default_rng(0).uniform(0.3, 1.7, size=(5, 2))
    script = "texts.map((text) => points.map((point) => parseExpression(text)(...point)))"
    found = live(script, texts=ACCEPTED, points=points.tolist())
    for text, numbers in zip(ACCEPTED, np.array(found), strict=True):
        x = gg.tensor(points, requires_grad=True)
        values = parse(text)(x)
        values.sum().backward()
        wanted = np.column_stack([values.numpy(), x.grad.numpy()])
        np.testing.assert_allclose(numbers, wanted, rtol=1e-13, atol=1e-13, err_msg=text)


def test_what_python_refuses_the_page_refuses_in_one_sentence(live):
    script = """texts.map((text) => {
        try {
            return parseExpression(text);
        } catch (error) {
            return `${error.constructor.name}: ${error.message}`;
        }
    })"""
    for text, said in zip(REFUSED, live(script, texts=REFUSED), strict=True):
        with pytest.raises(ArgumentError) as error:
            parse(text)
        wanted = f"Error: {error.value}"
        assert said is not None, text
        assert said.startswith("Error: the function "), text
        if "has a mistake" not in said and "has a mistake" not in wanted and "has '" not in wanted:  # of syntax
            assert said == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x + foo(y)", "the function has the unknown function 'foo' at character 5: use numbers, x, y, pi, e"),
        ("x + z", "the function has the unknown name 'z' at character 5"),
        ("x^2", "the function has the character '^' at character 2"),
        ("x**y", "the function has an exponent that is not a number from −20 to 20 at character 4"),
        ("x + 1/0", "the function has a number that is not finite at character 5"),
        ("sin(x, y)", "the function has sin of 2 things instead of one at character 1"),
        ("x +", "the function has a mistake at character 3"),
        ("x" * 201, "the function has 201 characters, expected at most 200: shorten it"),
        ("", "the function is empty, expected arithmetic of x and y"),
        ("7", "the function is the same everywhere, expected x or y in it"),
    ],
)
def test_a_mistake_is_named_with_its_place(text, message):
    with pytest.raises(ArgumentError) as error:
        parse(text)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("made", SURFACES.values(), ids=list(SURFACES))
def test_the_formula_of_a_surface_is_its_function(made):
    points = gg.tensor(np.random.default_rng(0).uniform(*np.transpose(made.bounds), size=(50, 2)))
    np.testing.assert_allclose(parse(made.formula)(points).numpy(), made(points).numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", optim.NAMES)
def test_the_formula_of_an_optimizer_is_in_the_docstring_of_its_class(name):
    rule = optim.RULES[name]
    documented = " ".join(rule.cls.__doc__.split())
    assert "p ← p − lr" in rule.formula
    for clause in rule.formula.split(", "):
        assert clause in documented


def test_formulas_are_typeset():
    assert typeset("x**2 - 3*y + 10*cos(2*pi*x)*y") == "x² − 3y + 10cos(2πx)·y"


def test_the_page_knows_the_functions_and_rules_of_python(live):
    assert live("Object.keys(FUNCTIONS)") == list(expression.FUNCTIONS)
    assert set(live("Object.keys(STEPS)")) >= {rule.cls.__name__ for rule in optim.RULES.values()}


# ---- paths ----


@pytest.mark.parametrize("text", FUNCTIONS)
def test_every_optimizer_takes_the_path_of_minimize(live, text):
    lr = {name: rate(name, 1e-3 if "100" in text else 0.01) for name in optim.NAMES}
    script = """setup.optimizers.map(({ name, rule, options }) =>
        descend(parseExpression(text), [1.3, -0.6], { rule, options, lr: lr[name], steps: 80 }))"""
    found = live(script, text=text, lr=lr)
    function = own_function(text)
    for name, path in zip(optim.NAMES, found, strict=True):
        wanted = gg.minimize(function, [1.3, -0.6], name, lr=lr[name], max_steps=80)
        assert len(path["points"]) == wanted.steps + 1 > 50, name
        for key, numbers in (("points", wanted.points), ("values", wanted.values), ("norms", wanted.gradient_norms)):
            np.testing.assert_allclose(path[key], numbers, rtol=1e-9, atol=1e-9 * np.abs(numbers).max(), err_msg=name)


@pytest.mark.slow
def test_verdicts_are_those_of_python(live):
    """On every surface, from every start, with small, suitable and large rates.

    A few paths among many minima are chaotic: the last bit of a sine decides where they are after 150 steps.
    """
    factors = (0.1, 1.0, 5.0)
    entries, judged = [], []
    for made in SURFACES.values():
        for name in ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"):
            lr = [float(f"{made.rate(name) * factor:.3g}") for factor in factors]
            entries += [(made.name, start, name, rate) for rate in lr for start in made.starts]
            judged += gg.minimize(made, made.starts, name, lr=lr, max_steps=150)
    script = """entries.map(([formula, start, name, lr, bounds]) => {
        const f = parseExpression(formula), { rule, options } = setup.optimizers.find((entry) => entry.name === name);
        const entry = { rule, options, lr, steps: 150 }, found = descend(f, start, entry);
        const judged = judge(f, found, entry), path = { ...found, ...judged, steps: found.values.length - 1 };
        return [judged.verdict, wordsOf(path, bounds), judged.reason, found.points.at(-1)];
    })"""
    sent = [(SURFACES[name].formula, *rest, SURFACES[name].bounds) for name, *rest in entries]
    chaotic = 0
    for entry, path, (verdict, said, reason, end) in zip(entries, judged, live(script, entries=sent), strict=True):
        if path.verdict != "diverged" and not np.allclose(end, path.x, rtol=1e-6, atol=1e-6):
            chaotic += 1
            continue
        assert (verdict, said) == (path.verdict, words(path, SURFACES[entry[0]].bounds)), (entry, reason, path.reason)
    assert len(entries) > 500
    assert chaotic < len(entries) // 20


def test_noise_is_normal_and_repeats_for_a_seed(live):
    first, again, other = live("[0, 0, 1].map((seed) => Array.from({ length: 4000 }, noiseOf(seed)))")
    assert first == again != other
    assert np.mean(first) == pytest.approx(0, abs=0.05)
    assert np.std(first) == pytest.approx(1, abs=0.05)
    assert np.corrcoef(first[:-1], first[1:])[0, 1] == pytest.approx(0, abs=0.05)


# ---- surfaces ----


def test_the_loss_of_the_network_is_that_of_python(live):
    f = surface("network loss")
    points = np.random.default_rng(0).uniform(*np.transpose(f.bounds), size=(20, 2))
    script = "points.map((point) => networkLoss(network)(...point))"
    found = np.array(live(script, network=f.network, points=points.tolist()))
    np.testing.assert_allclose(found[:, 0], f(points), rtol=1e-10)
    np.testing.assert_allclose(found[:, 1:], f.grad(points), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    ("text", "start"), [(FUNCTIONS[0], "2,1"), ("log(x) + y**2", "5,1"), ("x**2 + 40*y**2", "1,1")]
)
def test_an_own_function_has_the_view_of_python(live, text, start):
    found = live("new Live().surface({ surface: setup.own.name, f: text, start })", text=text, start=start)
    wanted = page.describe(own_function(text, tuple(map(float, start.split(",")))))
    assert found["bounds"] == [list(ends) for ends in wanted["bounds"]]
    np.testing.assert_allclose(found["levels"], wanted["levels"], rtol=1e-9)
    assert found["slope"] == pytest.approx(wanted["slope"], rel=0.02)
    assert found["rates"] == pytest.approx(wanted["rates"], rel=0.05)


EXTREME = (
    "-" * 199 + "x",
    "*".join(["x"] * 100),
    "exp(exp(exp(x)))",
    "1e308*x**2",
    "log(x)*log(y)",
    "x - x",
    "1/x",
    "x**-20",
)


@pytest.mark.parametrize("text", EXTREME)
def test_extreme_functions_have_a_view(text, live):
    """Without any warning; filterwarnings makes each one an error."""
    wanted = page.describe(own_function(text))
    found = live("new Live().surface({ surface: setup.own.name, f: text, start: '' })", text=text)
    assert np.isfinite([*wanted["rates"].values(), wanted["slope"], *wanted["levels"][:1]]).all()
    assert np.isfinite([*found["rates"].values(), *found["levels"][:1]]).all()
    assert len(found["heights"]) == found["side"] ** 2
    assert None not in found["heights"].values()


def test_every_rate_is_linear_in_what_suits_the_surface():
    """The page sends three numbers instead of the function."""
    for name in LOOKS:
        a, b, c = page.optimizer(name)["rate"]
        for descent, reach in ((0.05, 0.3), (2.0, 1.7)):
            assert optim.RULES[name].lab_rate(descent, reach) == pytest.approx(a * descent + b * reach + c, rel=0.05)


def test_a_kink_is_seen_as_in_python(live):
    starts = ([-1.85, -0.57], [0.3, 2.0])
    texts = ("abs(x) + abs(y)", "sqrt(x**2 + y**2)", "abs(x) + y**2", "relu(x) - x/2 + y**2")
    entries = [(text, start, rate) for text in texts for start in starts for rate in (0.3, 1.0)]
    entries = [(*entry, steps) for entry in entries for steps in (7, 8, 9, 40)]
    script = """entries.map(([text, start, lr, steps]) => {
        const options = { momentum: 0.9, nesterov: false }, entry = { rule: "SGD", options, lr, steps };
        const f = parseExpression(text);
        return judge(f, descend(f, start, entry), entry).verdict;
    })"""
    wanted = [
        gg.minimize(expression.parse(text), start, "momentum", lr=rate, max_steps=steps).verdict
        for text, start, rate, steps in entries
    ]
    assert live(script, entries=entries) == wanted
    assert set(wanted) > {"oscillating"}
