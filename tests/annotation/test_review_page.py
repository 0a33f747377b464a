"""The review pass with the keys of two people."""

import pytest


@pytest.fixture
def page(visit):
    found = visit()
    assert found.tell("geochange.tour.go(1)") is None
    found.page.wait_for_timeout(200)
    return found


def label_first_tile(page):
    page.press("Tab", "a", "Enter")
    page.saved()


def tile(page, number=1):
    return page.tell(f"(({{ state, review, remark }}) => ({{ state, review, remark }}))"
                     f"(geochange.model.tiles.get({number}))")  # fmt: skip


def test_a_done_tile_is_read_only_until_it_is_opened_again(page):
    label_first_tile(page)
    page.tell("geochange.tour.go(1)")
    page.until("!document.querySelector('#reopen').closest('.group').hidden")
    kept = page.labels()
    page.tell("geochange.selection.set(['a' + geochange.model.annotations.keys().next().value])")
    page.press("d", "x", "u")
    assert page.labels() == kept
    assert "open it again" in page.page.inner_text("#toast")
    assert tile(page)["state"] == "labelled"
    page.press("r", "x")
    page.saved()
    assert page.labels() == {}
    assert tile(page)["state"] == "todo"
    page.press("Control+z", "Control+z")
    page.saved()
    assert page.labels() == kept
    assert tile(page)["state"] == "labelled"


def test_sent_back_with_a_comment_first_in_the_queue_of_the_author_then_approved(page, visit):
    label_first_tile(page)
    carl = visit("third")
    assert carl.tell("geochange.model.active") == 1
    assert carl.page.is_visible("#approve")
    carl.press("r")
    carl.page.keyboard.type("The shed is missing; a d")
    carl.press("Enter")
    carl.saved()
    assert tile(carl)["state"] == "returned"
    page.load()
    assert page.tell("geochange.model.active") == 1
    assert page.page.inner_text("#returned") == "Sent back: The shed is missing; a d"
    page.press("Enter")
    page.saved()
    carl.load()
    carl.press("Enter")
    carl.saved()
    assert tile(carl) == {"state": "labelled", "review": "approved", "remark": ""}


def test_a_reviewer_fixes_a_label_and_signs(page, visit):
    label_first_tile(page)
    carl = visit("third")
    carl.until("geochange.model.annotations.size === 1")
    carl.tell("geochange.selection.set(['a' + geochange.model.annotations.keys().next().value])")
    carl.press("2")
    carl.until("document.querySelector('#approve').textContent.includes('fixed')")
    carl.press("Enter")
    carl.saved()
    assert tile(carl)["review"] == "fixed"


def test_the_author_of_a_tile_is_not_asked_to_review_it(visit):
    carl = visit("third")
    label = carl.tell("geochange.model.active")
    carl.press("Shift+Enter")
    carl.saved()
    assert carl.tell("geochange.model.active") != label
    carl.tell(f"geochange.tour.go({label})")
    assert not carl.page.is_visible("#approve")
    carl.tell("void geochange.actions.setTile('approve', { review: 'approved' })")
    carl.until("!geochange.model.waiting")
    carl.until("document.querySelector('#toast').textContent.includes('somebody else must')")
    carl.load()
    assert tile(carl, label)["review"] == ""


def test_honeypots_are_blind_and_only_reviewers_see_the_result(page, visit, served):
    from geochange.annotation.probes import set_rate

    set_rate(served.project.database, 0.5)
    label_first_tile(page)
    carl = visit("third")
    carl.press("Enter")
    carl.saved()
    bob = visit("other")
    bob.press("Shift+Enter")
    bob.saved()
    bob.load()
    assert bob.tell("geochange.model.tiles.has(1)") is False
    probe = bob.tell("[...geochange.model.tiles.values()].find((t) => t.number === 1).id")
    bob.tell(f"geochange.tour.go({probe})")
    bob.page.wait_for_timeout(300)
    assert bob.page.inner_text(".tile h2") == "Tile 1"
    assert bob.tell("geochange.actions.open().length") == 1
    assert bob.labels() == {}
    assert not bob.page.is_visible("#review")
    bob.press("Tab", "a", "Enter")
    bob.saved()
    carl.load()
    carl.page.click("#review summary")
    carl.page.wait_for_selector("#people dd")
    assert "honeypots 1 of 1 · IoU 1.00" in " ".join(carl.page.inner_text("#people").split())
    answer = bob.page.evaluate(
        "fetch('api/people', { headers: { 'X-Geochange-Token': 'other' } }).then((r) => r.status)"
    )
    assert answer == 403


def test_many_yeses_in_no_time_are_asked_about(page):
    page.tell("void [...Array(20)].forEach(() => geochange.actions.guard('accepted'))")
    assert "accepted in a row, quickly" in page.page.inner_text("#toast")
