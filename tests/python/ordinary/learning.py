# SPDX-License-Identifier: Apache-2.0
"""A tour of scikit-learn: models, pipelines, searches, models that are stored and loaded."""

from __future__ import annotations

import io
import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import DBSCAN, AgglomerativeClustering, KMeans, MiniBatchKMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine, make_classification
from sklearn.decomposition import NMF, PCA, TruncatedSVD
from sklearn.ensemble import (AdaBoostClassifier, GradientBoostingClassifier, HistGradientBoostingRegressor,
                              IsolationForest, RandomForestClassifier, RandomForestRegressor)
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge, SGDClassifier
from sklearn.manifold import TSNE
from sklearn.metrics import accuracy_score, classification_report, confusion_matrix, f1_score, r2_score, roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score, train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier, export_text


class Clip(BaseEstimator, TransformerMixin):
    """A transformer of one's own."""

    def __init__(self, most=3.0):
        self.most = most

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return np.clip(X, -self.most, self.most)


def classify(seed: int) -> dict[str, float]:
    X, y = load_iris(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=seed, stratify=y)
    models = {
        "logistic": make_pipeline(StandardScaler(), Clip(), LogisticRegression(max_iter=500)),
        "forest": RandomForestClassifier(30, n_jobs=2, random_state=seed),
        "boosting": GradientBoostingClassifier(n_estimators=15, random_state=seed),
        "ada": AdaBoostClassifier(n_estimators=10, random_state=seed),
        "svc": SVC(probability=True, random_state=seed), "linear svc": LinearSVC(random_state=seed, dual=False),
        "neighbours": KNeighborsClassifier(n_jobs=2), "bayes": GaussianNB(),
        "sgd": SGDClassifier(random_state=seed), "tree": DecisionTreeClassifier(random_state=seed),
        "network": MLPClassifier((8,), max_iter=60, random_state=seed),
    }
    scores = {}
    for name, model in models.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            scores[name] = float(accuracy_score(y_test, model.fit(X_train, y_train).predict(X_test)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        scores["cross"] = cross_val_score(models["logistic"], X, y, cv=StratifiedKFold(3), n_jobs=2).tolist()
    search = GridSearchCV(SVC(), {"C": [0.1, 1, 10]}, cv=3, n_jobs=-1).fit(X, y)
    scores["search"] = [float(search.best_score_), search.best_params_]
    scores["rules"] = export_text(models["tree"])
    return scores


def regress(seed: int) -> dict[str, float]:
    X, y = load_diabetes(return_X_y=True)
    models = {
        "linear": LinearRegression(n_jobs=2), "ridge": Ridge(), "lasso": Lasso(0.1), "net": ElasticNet(0.01),
        "forest": RandomForestRegressor(15, n_jobs=2, random_state=seed),
        "histogram": HistGradientBoostingRegressor(max_iter=15, random_state=seed),
        "process": GaussianProcessRegressor(random_state=seed), "poly": make_pipeline(PolynomialFeatures(2), Ridge()),
    }
    return {name: float(r2_score(y, model.fit(X, y).predict(X))) for name, model in models.items()}


def explore(seed: int) -> dict[str, object]:
    X, y = load_digits(return_X_y=True)
    X = X[:300]
    small = PCA(5, random_state=seed).fit_transform(X)
    scaled = MinMaxScaler().fit_transform(small)
    return {
        "pca": small[0].round(6).tolist(), "svd": TruncatedSVD(3, random_state=seed).fit_transform(X)[0].round(6).tolist(),
        "nmf": float(NMF(3, random_state=seed, max_iter=500, init="nndsvda").fit(X).reconstruction_err_),
        "kmeans": float(KMeans(10, n_init=3, random_state=seed).fit(X).inertia_),
        "mini": float(MiniBatchKMeans(10, n_init=3, random_state=seed).fit(X).inertia_),
        "dbscan": int(DBSCAN(0.3).fit(scaled).labels_.max()), "tree": AgglomerativeClustering(4).fit(small).labels_[:9].tolist(),
        "mixture": float(GaussianMixture(3, random_state=seed).fit(small).score(small)),
        "outliers": int((IsolationForest(n_estimators=20, random_state=seed).fit_predict(small) < 0).sum()),
        "tsne": list(TSNE(2, random_state=seed, n_iter=250, init="pca", perplexity=10).fit_transform(small[:60]).shape),
    }


def store(model_file, seed: int) -> dict[str, object]:
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    model = make_pipeline(SimpleImputer(), SelectKBest(k=8), StandardScaler(), LogisticRegression()).fit(X, y)
    joblib.dump(model, model_file)
    memory = io.BytesIO()
    joblib.dump(model, memory, compress=3)
    memory.seek(0)
    again = joblib.load(memory)
    copied = pickle.loads(pickle.dumps(model))
    same = bool((again.predict_proba(X) == copied.predict_proba(X)).all())
    return {"auc": float(roc_auc_score(y, again.predict_proba(X)[:, 1])), "same": same,
            "report": classification_report(y, again.predict(X)), "confusion": confusion_matrix(y, again.predict(X)).tolist(),
            "wine": load_wine().DESCR[:60]}


def mixed() -> list[float]:
    table = pd.DataFrame({"colour": ["red", "blue", "red", None], "size": [1.0, None, 3.0, 4.0], "good": [0, 1, 0, 1]})
    columns = ColumnTransformer([("c", make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()), ["colour"]),
                                 ("n", SimpleImputer(), ["size"])])
    model = make_pipeline(columns, LogisticRegression()).fit(table[["colour", "size"]], table["good"])
    texts = TfidfVectorizer(ngram_range=(1, 2)).fit_transform(["a small test", "another test", "nothing small"])
    return [*map(float, model.predict_proba(table[["colour", "size"]])[:, 1]), float(texts.sum()), *map(float, texts.shape)]


def main(model, seed=7):
    X, y = make_classification(200, random_state=seed)
    parallel = joblib.Parallel(n_jobs=2)(joblib.delayed(np.linalg.norm)(row) for row in X[:5])
    with joblib.parallel_backend("threading", n_jobs=2):
        f1 = float(f1_score(y, RandomForestClassifier(10, random_state=seed).fit(X, y).predict(X)))
    return {"classify": classify(seed), "regress": regress(seed), "explore": explore(seed), "store": store(model, seed),
            "mixed": mixed(), "parallel": list(map(float, parallel)), "f1": f1}


if __name__ == "__main__":
    print(main(io.BytesIO()))
