"""From (real, generated) arrays to numbers; knows no model.

- `features`: the supervised FCN behind FID, IS and CAS: train, load, cache, extract
- `fidelity`: FID, IS, KID on features
- `utility`: classification accuracy score (train on synthetic, test on real)
- `probes`: KNN and SVM on embeddings
- `diversity`: copies, near-duplicates, spread within a class, precision and recall
- `memorisation`: the metrics of copies and variety beside the same for real data
- `structure`: autocorrelation, values, power spectrum, class means
- `tokens`: use of the codebook, confidence while decoding
- `resampling`: equally large random parts, bootstrap intervals
- `labels`: labels of any hashable kind as class indices
- `protocol`: which series are compared with which, under which name

Series are float32 arrays (n, C, L), all scaled by the train split's global mean and standard deviation.
"""
