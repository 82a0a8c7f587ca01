package rewind

import "io"

// InPlaceOf returns a body that is sent in the place of a caller's, which has been read, and closed with
// it. It is fresh, or, with an error, one that cannot be read.
func InPlaceOf(original, fresh io.ReadCloser, err error) io.ReadCloser {
	if err != nil {
		fresh = brokenBody{err} // the caller's own body may be at its end by now
	}
	return &substitute{ReadCloser: fresh, original: original}
}

// substitute is a body that is sent in place of the caller's, and closed with it.
type substitute struct {
	io.ReadCloser
	original io.Closer
}

func (s *substitute) Close() error {
	err := s.ReadCloser.Close()
	if original := s.original.Close(); err == nil {
		err = original
	}
	return err
}

// WriteTo lets a body that is in memory be copied without a buffer.
func (s *substitute) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, s.ReadCloser) }

// brokenBody is a body that cannot be read.
type brokenBody struct{ err error }

func (b brokenBody) Read([]byte) (int, error) { return 0, b.err }
func (brokenBody) Close() error               { return nil }
