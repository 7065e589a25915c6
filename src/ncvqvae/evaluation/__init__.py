"""From (real, generated) arrays to numbers; knows no model.

- `metrics`: each metric once: key, title, unit, which way is better, its value for real data, what it means
- `protocol`: which series are compared with which, under which key
- `fcn`: the supervised FCN behind FID, IS and CAS: train, load, cache, extract
- `rocket`: features that need no training: MiniRocket and catch22
- `fidelity`, `feature_metrics`: FID, IS and KID of features; distances, coverage and a two-sample test in one space
- `utility`: classification accuracy score (train on generated, test on real), two-sample tests
- `probes`: KNN and SVM on embeddings
- `diversity`, `neighbours`: copies, near-duplicates, spread within a class, precision and recall, by nearest series
- `memorisation`: the metrics of copies and variety beside the same for real data
- `structure`: autocorrelation, values, power spectrum, class means
- `tokens`: use of the codebook, confidence while decoding
- `resampling`: equally large random parts, bootstrap intervals, seeds of the global generator

Series are float32 arrays (n, C, L), all scaled by the train split's global mean and standard deviation.
"""
