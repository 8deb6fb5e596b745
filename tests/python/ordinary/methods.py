# SPDX-License-Identifier: Apache-2.0
"""A tour of scipy."""

import io

import numpy as np
from scipy import (cluster, constants, fft, integrate, interpolate, linalg, ndimage, optimize, signal, sparse, spatial,
                   special, stats)
from scipy.io import loadmat, savemat, wavfile
from scipy.sparse.csgraph import dijkstra, minimum_spanning_tree
from scipy.sparse.linalg import cg, eigsh, spsolve, svds
from scipy.stats import qmc


def tests(random):
    a, b = random.normal(size=40), random.normal(0.5, 1.2, size=50)
    found = {
        "t": stats.ttest_ind(a, b, equal_var=False), "u": stats.mannwhitneyu(a, b), "ks": stats.ks_2samp(a, b),
        "w": stats.wilcoxon(a), "r": stats.pearsonr(a, b[:40]), "s": stats.spearmanr(a, b[:40]),
        "chi": stats.chi2_contingency([[10, 20], [30, 25]])[:2], "f": stats.f_oneway(a, b), "sh": stats.shapiro(a),
        "line": stats.linregress(a, b[:40])[:3], "fisher": stats.fisher_exact([[3, 1], [2, 6]]),
        "fit": stats.norm.fit(a), "gamma": (stats.gamma(2.0).cdf(1.5), stats.t.ppf(0.975, 12)),
        "boot": stats.bootstrap((a,), np.mean, n_resamples=99, random_state=1).confidence_interval,
        "kde": stats.gaussian_kde(a)([0.0, 1.0]), "sobol": qmc.Sobol(2, scramble=False).random(4).ravel(),
        "permutation": [stats.permutation_test((a[:5], b[:5]), lambda x, y: x.mean() - y.mean(), n_resamples=50,
                                               random_state=2).pvalue],
    }
    return {name: [float(value) for value in values] for name, values in found.items()}


def rosenbrock(x):
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


def optimise():
    methods = ["Nelder-Mead", "Powell", "CG", "BFGS", "L-BFGS-B", "TNC", "COBYLA", "SLSQP", "trust-constr"]
    found = {method: optimize.minimize(rosenbrock, [0.5, 0.5], method=method, tol=1e-6).fun for method in methods}
    found["evolution"] = optimize.differential_evolution(rosenbrock, [(-2, 2)] * 2, seed=1, maxiter=20).fun
    found["curve"] = optimize.curve_fit(lambda x, a, b: a * np.exp(b * x), [0, 1, 2, 3], [1.0, 2.1, 3.9, 8.2])[0].sum()
    found["root"] = optimize.root(lambda x: [x[0] ** 2 - 2], [1.0]).x[0]
    found["brent"] = optimize.brentq(np.cos, 0, 3)
    found["linear"] = optimize.linprog([-1, -2], A_ub=[[1, 1]], b_ub=[4]).fun
    found["integer"] = optimize.milp([-1, -2], integrality=[1, 1], bounds=optimize.Bounds(0, 3.5)).fun
    found["squares"] = optimize.least_squares(lambda x: [x[0] - 1, 2 * x[1]], [3, 3]).cost
    found["assign"] = float(optimize.linear_sum_assignment([[4, 1], [2, 3]])[1].sum())
    found["nnls"] = optimize.nnls(np.eye(2), [1, -1])[1]
    return {name: round(float(value), 9) for name, value in found.items()}


def waves(random):
    noise = random.normal(size=256)
    b, a = signal.butter(4, 0.2)
    return {
        "filter": signal.filtfilt(b, a, noise)[:4].tolist(), "welch": signal.welch(noise, nperseg=64)[1][:3].tolist(),
        "peaks": signal.find_peaks(noise, height=1)[0].tolist(), "fft": abs(fft.rfft(noise))[:3].tolist(),
        "convolve": float(signal.fftconvolve(noise, noise).sum()), "dct": fft.dct(noise)[:2].tolist(),
        "smooth": signal.savgol_filter(noise, 7, 2)[:3].tolist(), "resample": signal.resample(noise, 10).tolist(),
        "spline": interpolate.CubicSpline(range(5), [0, 1, 4, 9, 16])(2.5).item(),
        "interp": interpolate.interp1d([0, 1, 2], [0, 1, 4], kind="quadratic")(1.5).item(),
        "grid": float(interpolate.griddata(random.random((30, 2)), noise[:30], [[0.5, 0.5]])[0]),
        "rbf": float(interpolate.RBFInterpolator(random.random((9, 2)), noise[:9])([[0.5, 0.5]])[0]),
    }


def geometry(random):
    points = random.random((40, 2))
    tree = spatial.cKDTree(points)
    graph = sparse.csr_matrix(spatial.distance_matrix(points[:6], points[:6]))
    linked = cluster.hierarchy.linkage(points, "ward")
    return {
        "near": tree.query([0.5, 0.5], k=3)[1].tolist(), "hull": sorted(spatial.ConvexHull(points).vertices.tolist()),
        "delaunay": len(spatial.Delaunay(points).simplices), "voronoi": len(spatial.Voronoi(points).vertices),
        "cdist": float(spatial.distance.cdist(points, points, "cosine").sum()),
        "rotate": spatial.transform.Rotation.from_euler("z", 90, degrees=True).apply([1, 0, 0]).round(9).tolist(),
        "paths": float(dijkstra(graph).sum()), "spanning": float(minimum_spanning_tree(graph).sum()),
        "clusters": cluster.hierarchy.fcluster(linked, 4, "maxclust").tolist(),
        "codes": float(cluster.vq.kmeans(points, points[:3])[1]),
    }


def algebra(random):
    full = random.random((6, 6))
    matrix = full @ full.T + np.eye(6)
    thin = sparse.random(50, 50, 0.1, random_state=3, format="csr") + sparse.eye(50) * 5
    symmetric = (thin + thin.T).tocsc()
    wav, mat = io.BytesIO(), io.BytesIO()
    wavfile.write(wav, 8000, (full * 1000).astype("i2").ravel())
    savemat(mat, {"full": full})
    return {
        "lu": float(linalg.lu_factor(matrix)[0].sum()), "cholesky": float(linalg.cholesky(matrix).sum()),
        "expm": float(linalg.expm(full).sum()), "svd": linalg.svdvals(full).tolist(), "eig": linalg.eigvalsh(matrix).tolist(),
        "solve": float(spsolve(symmetric, np.ones(50)).sum()), "cg": float(cg(symmetric, np.ones(50))[0].sum().round(4)),
        "eigsh": eigsh(symmetric, 2, v0=np.ones(50), return_eigenvectors=False).round(9).tolist(),
        "svds": svds(symmetric, 2, v0=np.ones(50), return_singular_vectors=False).round(9).tolist(),
        "special": [float(special.gamma(4.5)), float(special.jv(1, 2.0)), float(special.erf(0.3)), float(special.logsumexp([1, 2]))],
        "quad": integrate.quad(lambda x: np.exp(-x * x), -np.inf, np.inf)[0],
        "ode": integrate.solve_ivp(lambda t, y: -y, (0, 2), [1.0], method="LSODA").y[0, -1].item(),
        "odeint": integrate.odeint(lambda y, t: -y, [1.0], [0, 1, 2]).ravel().tolist(),
        "image": float(ndimage.gaussian_filter(full, 1).sum()), "label": int(ndimage.label(full > 0.5)[1]),
        "zoom": float(ndimage.zoom(full, 2).sum()), "constant": constants.physical_constants["electron mass"][0],
        "mat": float(loadmat(io.BytesIO(mat.getvalue()))["full"].sum()), "wav": wavfile.read(io.BytesIO(wav.getvalue()))[0],
    }


def main(seed=11):
    random = np.random.default_rng(seed)
    return {"tests": tests(random), "optimise": optimise(), "waves": waves(random), "geometry": geometry(random),
            "algebra": algebra(random)}


if __name__ == "__main__":
    print(main())
