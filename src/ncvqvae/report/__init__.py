"""Pictures and pages of a run, from plain arrays.

- `content`: what a report shows; knows no model
- `names`: titles, groups and meaning of the figures
- `style`, `projections`: colours and dashes of classes; planes (PCA, t-SNE, UMAP) of embeddings and series
- `figures`, `token_figures`, `model_figures`: one function a matplotlib figure; `save_figures`, `save_model_figures`
- `verdict`: copies, collapsed, unlike the real data, or fine
- `payload`, `comparison`: the data that the page of one run, and of several, embeds
- `page`: `write_report` and `write_comparison`, each one self-contained HTML file
"""
