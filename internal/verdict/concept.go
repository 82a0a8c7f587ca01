package verdict

// concept is what a word of a refusal says: who is meant, what is said of it, or how the words around
// it are to be read. A word may say several things.
type concept uint64

// Who is meant.
const (
	money      concept = 1 << iota // a balance, credit, a bill, a budget
	limit                          // a quota, usage, a number of requests or tokens in some time
	rate                           // a limit of a minute or less
	key                            // the key, the token, the login
	account                        // the user, the organization, the project, the workspace
	model                          // the model or its deployment
	place                          // the country, the region, the address
	client                         // the program that calls
	plan                           // what was bought: a plan, a tier, a subscription
	permission                     // a right, a role, a scope
	upstream                       // a server behind the one that answers
	vendor                         // the one that answers, and its servers
	request                        // the request, its parameters and content
	content                        // what a moderation looked at
	feature                        // an interface, or what it is for
	method                         // a way to log in

	// What is said of it.
	lacking   // there is none, or too little
	overdue   // not paid in time
	usedUp    // there was some
	exceeded  // more was asked for than is allowed
	invalid   // wrong, or not believed
	expired   // its time is over
	revoked   // taken back
	notFound  // nobody knows it
	inactive  // switched off
	banned    // switched off as a punishment
	misuse    // what somebody is punished for
	denied    // not allowed to whom it is
	unready   // never switched on
	busy      // too much to do
	malformed // not well made
	failed    // it did not work
	needed    // it has to be there

	// How to read the words around.
	not     // turns a word that is good into one that is bad
	good    // bad if negated; what it says then stands in the lexicon beside it
	advice  // begins what the reader should do, and tells nothing of what is
	aside   // begins words about the word before: "of", "for", "associated with"
	yours   // the caller's own
	because // what follows is the cause
	seeks   // its object is what is needed: "requires a plan"
	noise   // the name of a number, an id or another thing that says nothing
	named   // the name of a model, such as gpt-4o
	family  // the name of a family of models, such as Opus
	group   // models that have no name in common, such as Copilot's premium models
)

const (
	anyWho = money | limit | rate | key | account | model | place | client | plan | permission | upstream | vendor |
		request | content | feature | method
	anyWhat = lacking | overdue | usedUp | exceeded | invalid | expired | revoked | notFound | inactive | banned |
		misuse | denied | unready | busy | malformed | failed | needed
)
