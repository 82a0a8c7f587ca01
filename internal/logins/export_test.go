package logins

import "time"

// SecurityOn is securityOn.
func SecurityOn(system string) string { return securityOn(system) }

// ClaudeItem returns the service and the account of Claude Code's item.
func ClaudeItem() (service, account string) {
	i := claudeItem()
	return i.service, i.account
}

// ReadItem reads Claude Code's item.
func ReadItem(timeout time.Duration) ([]byte, error) { return claudeItem().read(timeout) }
