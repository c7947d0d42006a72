"""Check of point 7: the noise is recovered from the path, and its size and independence are judged."""

import numpy as np

from gpugrad.lab import surface

from .checking import Call, Exercise, Task, numbers, short, why_path
from .tools import draw_paths

SADDLE = surface("saddle")  # x² − y²: the gradient is linear, so that a step can be undone
RATE = 0.05
MANY = 2000  # numbers for a fourth moment, which is then known to 0.11


def gradient(x):
    return SADDLE.gradient(np.asarray(x, float))


def path_in(call, x0, steps):
    """Return the path of a call, and what is wrong with its form."""
    start = np.broadcast_to(x0, (steps + 1, len(x0)))
    path = numbers(call.value)
    if path is None or path.shape != start.shape or not np.allclose(path[0], x0):
        return None, why_path(call, start)
    if not np.isfinite(path).all():
        return None, f"{call.text} returned a path that is not finite: look for a division by zero."
    if steps and (path == path[-1]).all() and not np.allclose(path[0], 0):
        return None, why_path(call, start)
    return path, None


# ---- noise in each step ----


def wrong_noise(call, f, x0, rate, sigma, steps, _):
    """Return what is wrong with the noise of a path: (x_k − x_{k+1}) / η − ∇f(x_k) recovers it."""
    path, wrong = path_in(call, x0, steps)
    if wrong or not steps:
        return wrong
    noise = (path[:-1] - path[1:]) / rate - f(path[:-1])
    small = max(1e-3 * sigma, 1e-4)  # what float32 leaves
    size, reversed_size = np.abs(noise).mean(), np.abs((path[1:] - path[:-1]) / rate - f(path[:-1])).mean()
    if reversed_size < size / 2:
        return f"{call.text}: the steps go uphill, subtract η · (∇f(x) + ξ) instead of adding it."
    if not sigma:
        return f"{call.text}: with σ = 0 this is gradient descent, x ← x − η · ∇f(x)." if size > small else None
    if size < small:
        return f"{call.text}: no noise is added, expected x ← x − η · (∇f(x) + ξ)."
    if (np.abs(noise[1:]) < small).all():
        return f"{call.text}: the noise was added in the first step only, expected fresh noise in each step."
    if (np.abs(noise - noise[0]) < small).all():
        return f"{call.text}: every step has the same noise, draw it inside the loop."
    if (np.abs(noise - noise[:, :1]) < small).all():
        return f"{call.text}: all coordinates have the same noise, draw one number for each: size=len(x)."
    if wrong := wrong_size(call, noise, sigma, rate):
        return wrong
    if noise.size < MANY:
        return None
    # The mean of the fourth powers is 3σ⁴ for normal numbers, 1.8σ⁴ for uniform ones, and σ⁴ for ±σ.
    if abs(np.mean(noise**4) / np.mean(noise**2) ** 2 - 3) > 0.6:
        return f"{call.text}: the noise is not normal, although its standard deviation is σ: generator.normal."
    if (np.abs(noise[:, None] - noise).max(axis=-1) < small).sum() > len(noise):  # each equals itself
        return f"{call.text}: two steps have the same noise, draw it anew in each step."
    return None


def wrong_size(call, noise, sigma, rate):
    """Return what is wrong with the standard deviation or the mean of the noise."""
    size, near = np.sqrt(np.mean(noise**2)), 4 / np.sqrt(2 * noise.size)  # four standard errors
    known = (
        (1 / rate, "the noise is added to x, expected to the gradient, which is then multiplied by η"),
        (rate, "the noise is multiplied by η twice, expected once, together with the gradient"),
        (sigma, "σ is the standard deviation, not the variance: multiply normal numbers by σ, not by σ²"),
        (1 / np.sqrt(sigma), "σ is the standard deviation: multiply normal numbers by σ, not by its root"),
        (1 / sigma, "the noise has the standard deviation 1: multiply it by σ"),
        (1 / (rate * sigma), "the noise has the standard deviation 1 and is not multiplied by η"),
        (1 / np.sqrt(3), "the noise is uniform, expected normal: generator.normal"),
        (1 / np.sqrt(12), "the noise is uniform, expected normal: generator.normal"),
    )
    for factor, words in known:
        if abs(size / sigma / factor - 1) < near < abs(size / sigma - 1):
            return f"{call.text}: {words}."
    if abs(noise.mean()) > 5 * sigma / np.sqrt(noise.size):
        return f"{call.text}: the noise is {noise.mean():.2g} on average, expected 0: generator.normal."
    if abs(size / sigma - 1) > near:
        return (
            f"{call.text}: the noise on the gradient has the standard deviation {size:.3g}, expected σ = {sigma:g}: "
            "x ← x − η · (∇f(x) + ξ)."
        )
    return None


def case(*arguments, seed=0):
    return (*arguments, np.random.default_rng(seed))


NOISY = Task(
    "noisy_descent",
    cases=[
        case(gradient, np.array([-1.0, 0.0, 0.5]), 0.02, 0.1, 60, seed=1),
        case(gradient, np.zeros(100), 0.1, 0.3, 20, seed=2),
        case(gradient, np.array([-1.0, 0.5]), RATE, 0.0, 4),
        case(gradient, np.array([-1.0, 0.0]), RATE, 0.1, 0),
    ],
    judge=wrong_noise,
    hints=[
        "On the ridge of a saddle the gradient never points off it; a random push does, and the slope enlarges it.",
        "x_{k+1} = x_k − η · (∇f(x_k) + ξ_k), with a new ξ_k of len(x) numbers in each step.",
        "In the loop: noise = sigma * generator.normal(size=…), x = x − rate * (…), path.append(x).",
    ],
)

# ---- a ball ----

DRAWS = 2000


def wrong_points(call, dim, radius, _):
    """Return what is wrong with one point."""
    point = numbers(call.value)
    if point is None or point.shape != (dim,):
        return f"{call.text} returned {short(call.value)}, expected an array of {dim} numbers."
    return None


class Ball(Task):
    """The task, with what many draws show."""

    def check(self, function):
        if wrong := super().check(function):
            return wrong

        def draw(dim, radius, generator):
            return [function(dim, radius, generator) for _ in range(DRAWS)]

        for dim, radius in ((3, 2.0), (1, 0.5)):
            generator = np.random.default_rng(dim)
            call = Call.of(self.name, draw, (dim, radius, generator))
            points = numbers(call.value)
            if call.wrong:
                return call.wrong
            if points is None or points.shape != (DRAWS, dim):
                return f"{call.text} returned something else in one of {DRAWS} calls, expected {dim} numbers."
            if wrong := wrong_ball(points, radius):
                return f"random_in_ball({dim}, {radius:g}, generator): {wrong}."
        return None


def wrong_ball(points, radius):
    """Return what is wrong with many points that should be uniformly distributed in a ball."""
    distances, dim = np.linalg.norm(points, axis=1) / radius, points.shape[1]
    near = 5 / np.sqrt(len(points))
    if (points == points[0]).all():
        return "every point is the same, draw a new one in each call"
    if dim > 1 and np.allclose(distances, 1):
        return "all points are on the sphere, expected in the ball: multiply the radius by u^(1/D)"
    if np.abs(points).max() <= radius and distances.max() > 1.01:
        return "these are points of a cube, whose corners are outside the ball: draw a direction and a distance"
    if distances.max() > 1.01:
        return f"a point is at the distance {distances.max() * radius:.3g}, expected at most {radius:g}"
    if points.min() >= 0:
        return "no coordinate is negative: a direction comes from normal numbers, which have both signs"
    if dim == 1:
        return None
    volume = np.sort(distances**dim)  # uniform in [0, 1]
    if np.abs(np.sort(distances) - np.linspace(0, 1, len(points))).max() < near:
        return "too many points are near the center: the distance is r · u^(1/D), not r · u"
    if np.abs(np.sort(distances) - np.linspace(0, 1, len(points)) ** dim).max() < near:
        return "too many points are near the center: the distance is r · u^(1/D), not r · u^D"
    if np.abs(volume - np.linspace(0, 1, len(points))).max() > near:
        return "the points are not uniformly distributed: their distance from the center is r · u^(1/D)"
    moments = np.mean((points / np.linalg.norm(points, axis=1, keepdims=True)) ** 4, axis=0) - 3 / (dim * (dim + 2))
    if np.abs(moments).max() > 0.02:
        return "the directions are not uniformly distributed: take those of normal random numbers, not of uniform ones"
    return None


BALL = Ball(
    "random_in_ball",
    cases=[case(2, 1.0), case(5, 0.1, seed=1), case(1, 3.0, seed=2)],
    judge=wrong_points,
    hints=[
        "Draw a direction and a distance, one after the other.",
        "The direction is v / ‖v‖ with normal numbers v; the distance is r · u^(1/D), as volume grows with r^D.",
        "v = generator.normal(…), u = generator.uniform(), return … * v / np.linalg.norm(v).",
    ],
)

# ---- perturbed gradient descent ----

SEEN = []  # points at which the gradient was asked for


def recorded(x):
    SEEN.append(np.array(x, float))
    return gradient(x)


recorded.__name__ = "gradient"


def wrong_perturbations(call, f, x0, rate, radius, tolerance, wait, steps, _):
    """Return what is wrong with the perturbations: x_{k+1} = (1 − η·h)(x_k + ξ_k) recovers them, h = ±2."""
    path, wrong = path_in(call, x0, steps)
    if wrong:
        return wrong
    keep = 1 - rate * gradient(np.ones(len(x0)))
    moves = path[1:] / keep - path[:-1]
    lengths, slopes = np.linalg.norm(moves, axis=1), np.linalg.norm(gradient(path[:-1]), axis=1)
    moved, last, due = lengths > 1e-3 * radius, -wait - 1, []
    for k, slope in enumerate(slopes):
        due.append(slope < tolerance and k - last > wait)
        last = k if moved[k] else last
    if any(due) and not moved.any():
        return f"{call.text} never perturbed x, although the gradient is shorter than the tolerance: x ← x + ξ."
    seen = np.array([point for point in SEEN if point.shape == x0.shape])
    for k in np.flatnonzero(moved):
        if not slopes[k] < tolerance:
            return (
                f"{call.text}: step {k} perturbed x, or was no step of gradient descent, where the gradient is "
                f"{slopes[k]:.2g} long: perturb only where it is below {tolerance:g}."
            )
        if not due[k]:
            return (
                f"{call.text}: step {k} perturbed x, which step {np.flatnonzero(moved[:k])[-1]} did: wait {wait} steps."
            )
        if np.linalg.norm(seen - path[k + 1] / keep, axis=1).min() > 1e-3 * radius:
            return (
                f"{call.text}: the step starts from the perturbed point: first x ← x + ξ, then the gradient at this x."
            )
        if lengths[k] > radius * 1.001:
            return f"{call.text}: a perturbation is {lengths[k]:.3g} long, expected at most the radius {radius:g}."
    if late := [k for k, is_due in enumerate(due) if is_due and not moved[k]]:
        return f"{call.text}: step {late[0]} did not perturb x, although none of the last {wait} steps did: x ← x + ξ."
    if moved.sum() > 1 and np.ptp(moves[moved], axis=0).max() < 1e-3 * radius:
        return f"{call.text}: every perturbation is the same, draw a new one each time."
    return None


PERTURBED = Task(
    "perturbed_descent",
    cases=[
        case(recorded, np.zeros(2), RATE, 0.01, 0.1, 5, 15),
        case(recorded, np.array([-1.0, 0.0]), RATE, 0.01, 0.1, 10, 60, seed=1),
        case(recorded, np.array([0.5, -0.5, 0.5]), RATE, 0.01, 0.1, 2, 6, seed=2),
        case(recorded, np.zeros(2), RATE, 0.01, 0.1, 5, 0),
    ],
    judge=wrong_perturbations,
    hints=[
        "Far from a stationary point it is gradient descent; near one, a small push decides whether it stays.",
        "Keep the number of the step of the last perturbation; perturb if the gradient is short and more than "
        "wait steps have passed; then step with the gradient at the new x.",
        "last = −wait − 1; for k in range(steps): if np.linalg.norm(…) < tolerance and k − last > wait: x = …, "
        "last = k; and in every case x = x − ….",
    ],
)


def steps_to_escape(path):
    """Return the first step at a distance of 1 from the ridge."""
    away = np.abs(np.asarray(path, float)[:, -1]) >= 1
    return int(np.argmax(away)) if away.any() else len(path)


def reward(noisy_descent, random_in_ball, perturbed_descent):
    """Return the median steps to leave the saddle by noise of several sizes, and in several dimensions."""
    lines = []
    for sigma in (1e-2, 1e-4, 1e-6):
        found = [
            steps_to_escape(noisy_descent(gradient, np.zeros(2), RATE, sigma, 300, np.random.default_rng(seed)))
            for seed in range(15)
        ]
        lines.append(f"Noise of σ = {sigma:g}: {np.median(found):.0f} steps to leave the saddle.")
    for dim in (2, 16, 128):
        found = [
            steps_to_escape(
                perturbed_descent(gradient, np.zeros(dim), RATE, 0.01, 1e-3, 50, 200, np.random.default_rng(seed))
            )
            for seed in range(15)
        ]
        lines.append(f"Perturbed by up to 0.01 in {dim} dimensions: {np.median(found):.0f} steps to leave the saddle.")
    return [*lines, "Each step multiplies y by 1.1: a hundred times less noise costs ln 100 / ln 1.1 = 48 steps."]


def picture(file, noisy_descent, random_in_ball, perturbed_descent):
    start = np.array([-1.0, 0.0])
    paths = {
        f"noise, seed {seed}": noisy_descent(gradient, start, RATE, 0.05, 80, np.random.default_rng(seed))
        for seed in range(3)
    }
    paths["perturbed"] = perturbed_descent(gradient, start, RATE, 0.05, 0.1, 50, 80, np.random.default_rng(0))
    draw_paths(file, "saddle", paths)


EXERCISE = Exercise([NOISY, BALL, PERTURBED], reward, picture)
