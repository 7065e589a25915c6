"""Pictures and pages of a run, from plain arrays.

- `content`: what a report shows; knows no model
- `style`: colours and dashes of classes
- `projections`: projections (PCA, t-SNE, UMAP) of embeddings and series to two dimensions
- `pictures`, `token_pictures`, `model_pictures`: functions that each draw one matplotlib Figure; `save_pictures` and
  `save_model_pictures` write them
- `verdict`: tells whether the generated series are copies, collapsed, unlike the real data, or fine
- `page_data`, `comparison_data`: the data embedded in the page of one run, and in the page of several
- `page`: `write_report` and `write_comparison`, each one self-contained HTML file
"""
