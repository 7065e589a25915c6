"""``python -m ncvqvae``: the command line where its script is not on the path."""

from ncvqvae.cli import main

if __name__ == "__main__":
    main()
