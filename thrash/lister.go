package thrash

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// list lists a prefix in pages, each asked of another node, and checks each page.
func (w *worker) list(ctx context.Context, prefix int) {
	limit := 1 + w.random.IntN(200)
	w.walk(ctx, prefixName(prefix), limit, w.pickNode, func(p *Page) {
		for _, v := range checkPage(p, w.names.under(prefix)) {
			w.ledger.violation(&v)
		}
	})
}

// walk gives the pages of a listing to see; false: it was not answered to its end.
func (w *worker) walk(ctx context.Context, prefix string, limit int, node func() int, see func(*Page)) bool {
	token, after := "", ""
	for {
		query := "list-type=2&max-keys=" + strconv.Itoa(limit) + "&prefix=" + url.QueryEscape(prefix)
		if token != "" {
			query = "continuation-token=" + url.QueryEscape(token) + "&" + query
		}
		p, next, ok := w.page(ctx, &call{method: http.MethodGet, path: "/" + w.bucket, query: query}, after, node)
		if !ok {
			return false
		}
		if len(p.Entries) > limit {
			w.ledger.violation(&Violation{Kind: Extra, Message: fmt.Sprintf("a page of %d names where at most %d were asked for", len(p.Entries), limit)})
		}
		see(p)
		if p.Last || len(p.Entries) == 0 {
			return true
		}
		token, after = next, p.Entries[len(p.Entries)-1].Name
	}
}

// page asks for a page until it is answered.
func (w *worker) page(ctx context.Context, k *call, after string, node func() int) (*Page, string, bool) {
	for attempt := range attemptsMax {
		n := node()
		p := &Page{After: after, Node: n, From: w.now()}
		r, err := w.client.do(context.WithoutCancel(ctx), n, k)
		p.To = w.now()
		if err == nil && r.status == http.StatusOK {
			w.ledger.request("list", attempt+1, false)
			next, err := p.read(r.body)
			if err != nil {
				w.ledger.violation(&Violation{Kind: WrongBytes, Message: fmt.Sprintf("a page by node %d is not readable: %v: %.300q", n, err, r.body)})
				return nil, "", false
			}
			return p, next, true
		}
		if !w.failed(n, r, err) {
			w.ledger.failure("list " + class(r, err))
		}
		if err == nil && r.status == http.StatusNotFound {
			w.ledger.violation(&Violation{Kind: Missing, Message: fmt.Sprintf("node %d answers a listing, asked at %s, with %s: %.200s", n, stamp(p.From), class(r, err), r.body)})
		}
		if attempt == attemptsMax-1 || !w.backOff(ctx, attempt) {
			w.ledger.request("list", attempt+1, ctx.Err() == nil)
			break
		}
	}
	return nil, "", false
}

// read reads the answer to ListObjectsV2.
func (p *Page) read(body []byte) (next string, err error) {
	var answer struct {
		Contents []struct {
			Key  string
			Size int64
			ETag string
		}
		IsTruncated           bool
		NextContinuationToken string
		KeyCount              int
	}
	if err := xml.Unmarshal(body, &answer); err != nil {
		return "", err
	}
	if answer.KeyCount != len(answer.Contents) || answer.IsTruncated && answer.NextContinuationToken == "" {
		return "", fmt.Errorf("KeyCount %d with %d names, truncated %v, token %q", answer.KeyCount, len(answer.Contents), answer.IsTruncated, answer.NextContinuationToken)
	}
	for _, e := range answer.Contents {
		p.Entries = append(p.Entries, Entry{Name: e.Key, Size: e.Size, ETag: strings.Trim(e.ETag, `"`)})
	}
	p.Last = !answer.IsTruncated
	return answer.NextContinuationToken, nil
}
