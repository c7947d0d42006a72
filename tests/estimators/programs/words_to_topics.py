"""Topics of short texts, from joined sparse counts of words and of letters."""

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import classification_report
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, Pipeline

TEXTS = {
    "garden": """roses want sun and a little shade at noon; water the beans in the evening, not at noon;
        the soil under the old apple tree is dry; dig in compost before the frost; prune the roses in early spring;
        snails ate the young lettuce again; sow carrots in rows and thin them; a mulch of straw keeps the soil moist;
        the hedge wants cutting after the birds have left; tomatoes like warm soil and no wind""",
    "kitchen": """fry the onions until they are golden; knead the dough and let it rest in a warm bowl;
        salt the water before the pasta goes in; whisk the eggs with sugar until pale; roast the carrots with honey;
        a sharp knife cuts onions without tears; let the soup simmer and skim it; the oven must be hot for bread;
        grate lemon peel into the batter; taste the sauce and add pepper""",
    "sea": """the tide turns at noon and the boats come in; reef the sail before the wind grows;
        gulls follow the trawler home; the anchor drags in soft sand; a swell from the west rocks the boats;
        charts show the depth at low tide; the lighthouse blinks twice in ten seconds; fog hides the harbour mouth;
        we row when the wind drops; salt dries white on the sail""",
}
texts = [text.strip() for topic in TEXTS.values() for text in topic.replace("\n", " ").split(";")]
topics = [topic for topic, text in TEXTS.items() for _ in text.split(";")]

words = TfidfVectorizer(sublinear_tf=True, stop_words=["the", "a", "and", "in"])
letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 3), min_df=2)
model = Pipeline(
    [
        ("counts", FeatureUnion([("words", words), ("letters", letters)])),
        ("network", MLPClassifier((12,), alpha=0.01, learning_rate_init=0.02, max_iter=30, random_state=0)),
    ]
)
folds = StratifiedKFold(5, shuffle=True, random_state=0)
scores = cross_val_score(model, texts, topics, cv=folds)
print("accuracy of the folds", *(f"{score:.6f}" for score in scores))

model.fit(texts, topics)
counts = model[:-1].transform(texts)
print(f"{counts.shape[1]} columns, {counts.nnz} entries of {counts.shape[0]} texts, loss {model[-1].loss_:.8g}")
print(classification_report(topics, model.predict(texts), digits=4))
for text in ["water the young apple tree", "bread with onions and pepper", "the boats wait for wind"]:
    probabilities = model.predict_proba([text])[0]
    print(text, *(f"{name} {p:.8f}" for name, p in zip(model.classes_, probabilities, strict=True)), sep=", ")
