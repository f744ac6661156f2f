"""Nothing secret is left anywhere by all that the other tests did."""

import secrets
import unittest

import canary
from harness import this_run


class Canary(unittest.TestCase):
    def test_the_search_finds_a_secret_in_every_form(self):
        folder = this_run().new_folder("planted")
        planted = "planted \"sécret\" / " + secrets.token_hex(16)
        forms = canary.forms(planted)
        for number, form in enumerate(forms):
            (folder / str(number)).write_bytes(b"before " + form + b" after")

        found = canary.search(folder, {"planted": {planted}})

        self.assertEqual(len({hit.split()[-1] for hit in found}), len(forms))

    def test_threat_149_no_secret_is_in_any_file_that_a_run_leaves_behind(self):
        folder = this_run().folder
        self.assertTrue(list(folder.glob("*/data/*.db*")), "there is nothing to search: run this after other tests")

        hits = canary.search(folder, canary.noted())

        self.assertEqual(hits[:20], [], f"{len(hits)} hits")
