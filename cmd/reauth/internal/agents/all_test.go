//go:build unix && agents

package agents

// everything is whether all situations of the slow agents run, and those of the agents that the
// gate does not install.
const everything = true

// agents are those of this run.
var agents = []*agent{opencode, codex, claude, claudeHelper, gemini}
