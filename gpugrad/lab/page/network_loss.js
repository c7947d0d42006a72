// ---- network loss: the loss of a network on a plane through its parameters, as in network_loss.py ----

/** Return the function (s, t) → [loss, derivative by s, derivative by t] of a network of tanh layers with logits. */
function networkLoss({ x, y, centre, directions: [first, second] }) {
  return (s, t) => {
    const at = centre.map((numbers, k) => numbers.map((number, i) => number + s * first[k][i] + t * second[k][i]));
    let total = [0, 0, 0];
    x.forEach((row, n) => {
      let inner = row.map((number) => [number, 0, 0]);
      for (let k = 0; k < at.length; k += 2) { // a weight (in, out), row by row, and its bias
        inner = at[k + 1].map((bias, j) => {
          const sum = [bias, first[k + 1][j], second[k + 1][j]];
          inner.forEach(([value, ds, dt], i) => {
            const w = i * at[k + 1].length + j;
            sum[0] += value * at[k][w];
            sum[1] += value * first[k][w] + ds * at[k][w];
            sum[2] += value * second[k][w] + dt * at[k][w];
          });
          if (k + 2 === at.length) return sum;
          const value = Math.tanh(sum[0]), slope = 1 - value * value;
          return [value, slope * sum[1], slope * sum[2]];
        });
      }
      const highest = Math.max(...inner.map(([logit]) => logit)), exps = inner.map(([logit]) => Math.exp(logit - highest));
      const whole = exps.reduce((a, b) => a + b);
      const mean = (i) => inner.reduce((sum, logit, j) => sum + exps[j] * logit[i], 0) / whole;
      const right = inner[y[n]];
      total = [total[0] + Math.log(whole) + highest - right[0], total[1] + mean(1) - right[1], total[2] + mean(2) - right[2]];
    });
    return total.map((sum) => sum / x.length);
  };
}
