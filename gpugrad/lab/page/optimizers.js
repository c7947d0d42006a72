// ---- optimizers: the rules of gpugrad.optim on a point, each as (options) → (point, gradient, lr) that moves the point ----

const zeros = () => [0, 0];
/** Return a rule that moves each coordinate by itself, with states of zeros. */
const elementwise = (states, move) => (options) => {
  const kept = Array.from({ length: states }, zeros);
  return (p, g, lr) => {
    for (const i of p.keys()) p[i] -= move(options, kept, i, g[i], lr, p[i]);
  };
};
const adam = (decay) => ({ betas: [beta1, beta2], eps, weight_decay: decay_rate }) => {
  const m = zeros(), v = zeros();
  let t = 0;
  return (p, g, lr) => {
    t++;
    const c1 = -Math.expm1(t * Math.log(beta1)), c2 = -Math.expm1(t * Math.log(beta2));
    for (const i of p.keys()) {
      if (decay) p[i] -= lr * decay_rate * p[i];
      m[i] = beta1 * m[i] + (1 - beta1) * g[i];
      v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i];
      p[i] -= (lr * (m[i] / c1)) / (Math.sqrt(v[i] / c2) + eps);
    }
  };
};
const STEPS = { // by the name of the class
  SGD: elementwise(1, ({ momentum, nesterov }, [b], i, g, lr) => {
    b[i] = momentum * b[i] + g;
    return lr * (nesterov ? g + momentum * b[i] : b[i]);
  }),
  AdagradNorm: ({ eps }) => {
    let sum = 0;
    return (p, g, lr) => {
      sum += g[0] * g[0] + g[1] * g[1];
      for (const i of p.keys()) p[i] -= (lr * g[i]) / Math.sqrt(eps + sum);
    };
  },
  Adagrad: elementwise(1, ({ eps }, [s], i, g, lr) => {
    s[i] += g * g;
    return (lr * g) / (Math.sqrt(s[i]) + eps);
  }),
  RMSprop: elementwise(1, ({ alpha, eps }, [v], i, g, lr) => {
    v[i] = alpha * v[i] + (1 - alpha) * g * g;
    return (lr * g) / (Math.sqrt(v[i]) + eps);
  }),
  Adadelta: elementwise(2, ({ rho, eps }, [v, u], i, g, lr) => {
    v[i] = rho * v[i] + (1 - rho) * g * g;
    const delta = Math.sqrt((u[i] + eps) / (v[i] + eps)) * g;
    u[i] = rho * u[i] + (1 - rho) * delta * delta;
    return lr * delta;
  }),
  Adam: adam(false),
  AdamW: adam(true),
};
