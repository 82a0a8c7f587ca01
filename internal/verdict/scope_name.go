package verdict

// noteModel notes the name of a model that begins with the word w, which stands between i and end. A
// name has a digit, and parts that a sign joins: gpt-4o, o4-mini, anthropic.claude-opus-4. What begins
// with a word of refusals is none, such as the id org-123.
func (r *reader) noteModel(w []byte, i, end int) {
	if r.clause.code || end >= len(r.text) || !joinsName(r.text[end]) || i > 0 && inName(r.text[i-1]) {
		return
	}
	stop, hyphen, digit := i, false, false
	for ; stop < len(r.text) && inName(r.text[stop]); stop++ {
		c := r.text[stop]
		hyphen = hyphen || c == '-'
		digit = digit || isDigit(c)
	}
	for stop > i && joinsName(r.text[stop-1]) {
		stop--
	}
	if hyphen && digit && stop > end && !isHex(w) && !isID(w) && r.v.word(string(w)) == 0 && r.stem(w) == 0 {
		r.note(named, i, stop)
	}
}

// inLongerName reports whether the word between begin and end is a part of a name: opus in claude-opus-4.
func inLongerName(text string, begin, end int) bool {
	return begin > 1 && joinsName(text[begin-1]) && inName(text[begin-2]) ||
		end+1 < len(text) && joinsName(text[end]) && !joinsName(text[end+1]) && inName(text[end+1])
}

// joinsName reports whether c may join two parts of the name of a model.
func joinsName(c byte) bool { return c == '-' || c == '.' || c == '/' || c == ':' || c == '@' }

// inName reports whether c may stand in the name of a model.
func inName(c byte) bool { return isLetter(c) || isDigit(c) || joinsName(c) }

// isHex reports whether w may be the first part of an id in hexadecimal.
func isHex(w []byte) bool {
	for _, c := range w {
		if !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return len(w) >= 8
}

// isID reports whether w begins the id of something else, or the name of a cloud's region.
func isID(w []byte) bool {
	switch string(w) {
	case "proj", "req", "acct", "sk", "http", "https", "us", "eu", "ap", "asia", "europe", "cn", "sa", "ca", "af":
		return true
	}
	return false
}
