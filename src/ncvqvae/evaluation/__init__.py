"""Metrics of generated series, computed from arrays of real and generated series; no module here knows a model.

- `metrics`: the registry of metrics: key, title, unit, which way is better, its value for real data, what it means
- `protocol`: which series are compared with which, and the key of each result
- `fcn`: the supervised FCN behind FID, IS and CAS: train, load, cache, extract features
- `rocket`: features that need no training: MiniRocket and catch22
- `compiling`: what numba compiles at the first use of these, ahead
- `fidelity`: FID, IS and KID of two feature sets
- `feature_metrics`: these distances, coverage and a two-sample test for all sets of series in one feature space
- `utility`: classification accuracy score (train on generated, test on real), two-sample tests
- `probes`: KNN and SVM on embeddings
- `diversity`, `neighbours`: copies, near-duplicates, spread within a class, precision and recall, by nearest series
- `memorisation`: the metrics of copies and variety, each beside its value for real data
- `structure`: autocorrelation, values, power spectrum, class means
- `tokens`: use of the codebook, confidence while decoding
- `resampling`: random parts of equal size, bootstrap intervals, seeding of the global generator

Series are float32 arrays (n, C, L), all scaled by the train split's global mean and standard deviation.
"""
