package verdict

import "strings"

// causes tells why something is forbidden, by the reason of the rule or the cell that decided. Where one
// reason stands for several causes, whom the words mean tells. The first row that fits counts.
var causes = []struct {
	reasons string // separated by spaces
	who     concept
	cause   Cause
}{
	{"plan", model | vendor | plan | limit | account | feature | permission, Entitlement},
	{"scope permission", permission | account | key, Entitlement},
	{"policy", account | method, Entitlement},
	{"policy permission", client, Anyone},
	{"region", 0, Anyone},
	{"zai:plan minimax:plan cloudflare:model cloudflare:scope opencode:model nvidia:account", 0, Entitlement},
	{"copilot:entitlement dashscope:workspace aws:operation nous:host openrouter:data-policy", 0, Entitlement},
	{"google:key-restricted", permission, Entitlement},
	{"google:key-restricted", place | client, Anyone},
	{"google:client kimi:client", 0, Anyone},

	// "Access denied", and nothing more; a cookie is none of ours.
	{"scope permission policy status:403 minimax:cookie", 0, Unclear},
}

// causeOf returns the cause, and false if the table has none for that reason.
func causeOf(reason string, who concept) (Cause, bool) {
	for i := range causes {
		row := &causes[i]
		if row.who != 0 && row.who&who == 0 {
			continue
		}
		for name := range strings.FieldsSeq(row.reasons) {
			if name == reason {
				return row.cause, true
			}
		}
	}
	return Unclear, false
}

// cause returns why what was decided is forbidden. A code that is broad tells nothing of it.
func (d *decision) cause() (c Cause) {
	switch {
	case d.rule != nil:
		c, _ = causeOf(d.rule.reason, d.rule.who)
	case d.heard.best.rank != vague || d.heard.best.who == permission && !d.heard.best.fromCode:
		c, _ = causeOf(d.heard.best.reason, d.heard.best.who)
	}
	return c
}
