"""First steps: a gradient from the tape, then a network trained on the handwritten digits of scikit-learn.

python examples/first_steps.py
"""

import gpugrad as gg
from gpugrad import data, nn, optim


def main():
    # The tape alone: f(w) = w₁² + w₂², whose gradient is 2·w.
    w = gg.tensor([3.0, -2.0], requires_grad=True)
    (w**2).sum().backward()
    print("gradient of the squared length at", w.tolist(), "is", w.grad.tolist())

    # A network: 64 pixels, two hidden layers, ten digits.
    digits = data.load("digits")
    gg.manual_seed(0)
    model = nn.MLP(64, [128, 64], 10, activation="relu", dropout=0.1)
    print(nn.summary(model))
    trainer = gg.Trainer(model, loss=nn.CrossEntropyLoss(), optimizer=optim.Adam(model.parameters(), lr=2e-3), seed=0)
    history = trainer.fit(digits.x_train, digits.y_train, epochs=15, batch_size=64, scale=digits.scale)
    print("training loss of the first and last epoch:", history["train_loss"][0], history["train_loss"][-1])
    scores = trainer.evaluate(digits.x_test, digits.y_test)
    print(f"test loss {scores['loss']:.4f}, test accuracy {scores['accuracy']:.4f}")
    print("first test digits:", digits.y_test[:10], "predicted:", trainer.predict(digits.x_test[:10]))


if __name__ == "__main__":
    main()
