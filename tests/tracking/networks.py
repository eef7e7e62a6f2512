"""Neural networks as users have them: trained in seconds, some of them on a planted shortcut."""

import re

import mlflow
import mlflow.pyfunc
import numpy as np
import torch
from torch import nn

from mlflow_lime import Network

TOKEN = "zebra"
"""A word that gives the label away where it is planted."""


def fitted(network, inputs, labels, *, epochs=30, rate=3e-3):
    """Train a network that gives logits, and return it in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for module in network.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()  # the same start in every run
        optimiser = torch.optim.Adam(network.parameters(), rate, weight_decay=1e-3)
        x, y = torch.tensor(inputs), torch.tensor(labels)
        for _ in range(epochs):
            for batch in torch.randperm(len(x)).split(32):
                optimiser.zero_grad()
                nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
                optimiser.step()
    return network.eval()


def log_network(network, inputs, **options):
    """Log a network with MLflow's own flavour."""
    with torch.no_grad():
        outputs = network(torch.tensor(inputs[:4])).numpy()
    signature = mlflow.models.infer_signature(inputs[:4], outputs)
    with mlflow.start_run():
        return mlflow.pytorch.log_model(
            network,
            name="model",
            signature=signature,
            input_example=inputs[:4],
            pip_requirements=["torch"],
            **options,
        )


class Bag(nn.Module):
    """Tokens, of which zero is padding, to two logits."""

    def __init__(self, n_words):
        super().__init__()
        self.embed = nn.Embedding(n_words, 12, padding_idx=0)
        self.hidden = nn.Linear(12, 12)
        self.head = nn.Linear(12, 2)

    def forward(self, tokens):
        x = torch.relu(self.hidden(self.embed(tokens).sum(dim=1)))
        return self.head(x)


class TextModel(mlflow.pyfunc.PythonModel):
    """A model of texts whose module can be had."""

    classes_ = ("neg", "pos")

    def __init__(self, module, words):
        self.module = module
        self.places = {word: i + 1 for i, word in enumerate(words)}

    def tokens(self, texts):
        found = [[self.places.get(w, 0) for w in words] for words in map(self.words, texts)]
        table = np.zeros((len(found), max(24, *map(len, found))), dtype=np.int64)
        for row, own in zip(table, found, strict=True):
            row[: len(own)] = own
        return table

    @staticmethod
    def words(text):
        return re.findall(r"\w+", str(text))

    def spans(self, texts):
        return [[match.span() for match in re.finditer(r"\w+", text)] for text in texts]

    def predict(self, context, model_input, params=None):
        column = model_input.iloc[:, 0].tolist()
        with torch.no_grad():
            return self.module(torch.tensor(self.tokens(column))).softmax(1).numpy()


def network(model):
    """Return the network of a logged `TextModel`; what ``deep.network`` names."""
    inner = model.unwrap_python_model()
    return Network(
        inner.module,
        encode=lambda frame: inner.tokens(frame.iloc[:, 0].tolist()),
        spans=inner.spans,
        name="Bag",
    )


def wrong(model):
    """Return something that is no network."""
    return {"module": model}


def unrelated(model):
    """Return a network that is not the model's."""
    inner = model.unwrap_python_model()
    with torch.random.fork_rng(devices=[]):
        other = Bag(inner.module.embed.num_embeddings).eval()
    return Network(
        other,
        encode=lambda frame: inner.tokens(frame.iloc[:, 0].tolist()),
        spans=inner.spans,
    )


class Recurrent(nn.Module):
    """A series to two logits, through what no method looks through."""

    def __init__(self):
        super().__init__()
        self.memory = nn.LSTM(4, 6, batch_first=True)
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        x, _ = self.memory(x.unflatten(1, (-1, 4)))
        return self.head(x[:, -1])


class Steps(nn.Module):
    """A series, (n, time, features), to two logits."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(2, 12, 3, padding=1), nn.ReLU(), nn.AvgPool1d(2), nn.Flatten()
        )
        self.head = nn.Linear(12 * 20, 2)

    def forward(self, x):
        return self.head(self.layers(x.transpose(1, 2)))


class Flipped(nn.Module):
    """A network of pictures that are flipped first."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(torch.flip(x, [3]))


def flipped(model):
    """Return a network that gives the model's scores, and reads pictures from right to left."""
    inner = Flipped(model.get_raw_model())
    return Network(inner, encode=lambda images: np.ascontiguousarray(images[..., ::-1]))


def spanless(model):
    """Return the network of a `TextModel` without the places of its tokens."""
    found = network(model)
    return Network(found.module, encode=found.encode)


def impatient(model):
    """End the interpreter."""
    raise SystemExit(SECRET_VALUE)


SECRET_VALUE = "4711-secret"
