"""A server that goes away, or whose answer is lost, loses no edit and doubles none."""


def edits(served):
    rows = served.project.database.read().execute("SELECT uuid, kind FROM edit ORDER BY seq")
    return [tuple(row) for row in rows]


def make_five(page):
    page.tell(
        "[1, 2, 3, 4, 5].forEach((n) => geochange.actions.setTile('note', { note: `note ${n}` }))"
    )


def test_edits_wait_for_a_server_that_comes_back(visit, served):
    page = visit()
    served.stop()
    make_five(page)
    page.until("geochange.model.link === 'lost'")
    assert "5 unsent" in page.page.inner_text("#link")
    assert page.tell("geochange.model.tile.note") == "note 5"
    served.start()
    page.press("Control+s")
    page.saved()
    assert len({uuid for uuid, _ in edits(served)}) == len(edits(served)) == 5
    page.load()
    assert page.tell("geochange.model.tile.note") == "note 5"


def test_edits_outlive_the_page(visit, served):
    page = visit()
    page.page.route("**/api/edits", lambda route: route.abort())
    make_five(page)
    page.until("geochange.model.link === 'lost'")
    page.until("geochange.model.outbox.unkept === 0")
    page.page.unroute("**/api/edits")
    page.page.on("dialog", lambda dialog: dialog.accept())
    page.load()
    page.saved()
    assert len(edits(served)) == 5
    assert page.tell("geochange.model.tile.note") == "note 5"


def test_an_answer_that_is_lost_does_not_double_the_edit(visit, served):
    page = visit()
    lost = []

    def lose_first(route):
        answer = route.fetch()
        if not lost:
            lost.append(answer.status)
            route.abort()
        else:
            route.fulfill(response=answer)

    page.page.route("**/api/edits", lose_first)
    make_five(page)
    page.until("geochange.model.failures > 0")
    page.press("Control+s")
    page.saved()
    assert lost == [200]
    assert len(edits(served)) == 5
