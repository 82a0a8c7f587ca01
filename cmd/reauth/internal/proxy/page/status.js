// Keeps the page fresh: fetches the part that changes, which the server renders, and puts it in
// place. Without this script the page shows its state at the time of loading, and a link to reload.
"use strict";
(() => {
	const every = 2000; // ms between the end of one update and the next
	const status = document.getElementById("status");
	const freshness = document.getElementById("freshness");
	const pause = document.getElementById("pause");
	let timer = 0;
	let paused = false;

	// Shows how fresh the page is; lost: the proxy does not answer.
	const tell = (text, lost) => {
		freshness.textContent = text;
		freshness.classList.toggle("lost", lost);
	};
	// Plans the next update, unless the user has paused the page or does not see it.
	const next = () => {
		clearTimeout(timer);
		if (!paused && !document.hidden) timer = setTimeout(update, every);
	};
	// An update would remove a text selection and the keyboard focus. It waits until the user has
	// given up both.
	const busy = () => status.contains(document.activeElement) || !getSelection().isCollapsed;

	async function update() {
		try {
			if (!busy()) {
				// 5 s: a proxy on this host that takes longer is as good as gone.
				const answer = await fetch("/-/status", { cache: "no-store", signal: AbortSignal.timeout(5000) });
				if (!answer.ok) throw new Error(answer.status);
				const html = await answer.text();
				// The user may have begun to select text during the request.
				if (!busy()) {
					status.innerHTML = html;
					tell("Updated " + new Date().toLocaleTimeString([], { hour12: false }), false);
					// A test looks for this attribute.
					document.documentElement.dataset.live = "yes";
				}
			}
		} catch {
			tell("No answer from the proxy", true);
		}
		next();
	}

	pause.addEventListener("click", () => {
		paused = !paused;
		pause.textContent = paused ? "Resume updates" : "Pause updates";
		if (paused) {
			clearTimeout(timer);
			tell("Paused", false);
		} else {
			update();
		}
	});
	document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : paused || update()));
	// The page is served for browsers without scripts: with a link to reload and no button.
	pause.hidden = false;
	document.getElementById("reload").hidden = true;
	next();
})();
