package vendors

// keyRows are rows of the table: of providers that take keys only, each with the page that tells its
// address and header.
//
//nolint:gochecknoglobals // a part of the table
var keyRows = []Vendor{
	{
		// platform.claude.com/docs/en/build-with-claude/claude-platform-on-aws, and aws/aws.go of
		// anthropic-sdk-go. The SDK sends the key as x-api-key, and on each request the workspace, which
		// belongs to the key. LibreChat#14619 reports that a bearer token is taken, and x-api-key not.
		Name: "anthropic-aws", Aliases: []string{"claude-aws", "claude-platform-aws"},
		Hosts: []string{"aws-external-anthropic.*.api.aws"}, Header: HeaderAsAsked,
		Objects:  []string{"files", "batches", "skills"},
		Own:      Own{What: "the region", Example: "https://aws-external-anthropic.us-east-1.api.aws"},
		Probe:    Probe{Method: "POST", Path: "/v1/messages", Header: "Anthropic-Version: 2023-06-01"},
		Prefixes: []string{"aws-external-anthropic-api-key-"},
	},
}
