package api_test

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed9b016523/ais"
	"github.com/seed9b016523/ais/api"
)

// wantKind fails the test unless err has the kind and a message.
func wantKind(t *testing.T, what string, err error, want ais.Kind) {
	t.Helper()
	if !ais.IsKind(err, want) || err.Error() == "" {
		t.Errorf("%s: got %v (%v), want kind %v", what, err, ais.KindOf(err), want)
	}
}

// TestDocument goes through every route with the client; the transport holds each exchange to the
// document, and at the end every operation of the document must have been met.
func TestDocument(t *testing.T) {
	s := start(t)
	c := s.client(t, rootKey, rootSecret)
	ctx := t.Context()

	b, err := c.CreateBucket(ctx, api.BucketCreate{Name: "photos", Policy: "copies=3"})
	if err != nil || b.Name != "photos" || b.Policy != "copies=3" || b.Owner != rootKey || b.ID == "" || b.Created.IsZero() {
		t.Fatalf("create: got %+v, %v", b, err)
	}
	_, err = c.CreateBucket(ctx, api.BucketCreate{Name: "photos"})
	wantKind(t, "create again", err, ais.Exists)
	one, policy := 1, "ec=4+2"
	if b, err = c.ChangeBucket(ctx, "photos", api.BucketChange{Policy: &policy, MinCopies: &one}); err != nil || b.Policy != policy || b.MinCopies != 1 {
		t.Errorf("change: got %+v, %v; want policy %s, min_copies 1", b, err, policy)
	}
	if b, err = c.Bucket(ctx, "photos"); err != nil || b.Policy != policy {
		t.Errorf("show: got %+v, %v; want policy %s", b, err, policy)
	}
	_, err = c.Bucket(ctx, "missing")
	wantKind(t, "show a missing bucket", err, ais.NotFound)
	if all, err := c.Buckets(ctx); err != nil || len(all) != 1 || all[0].Name != "photos" {
		t.Errorf("list: got %+v, %v; want photos", all, err)
	}

	put, err := c.Put(ctx, "photos", "a/b.txt", strings.NewReader("hello"), 5, &api.PutOptions{
		Headers: map[string]string{"Content-Type": "text/plain"}, Metadata: map[string]string{"colour": "red"}})
	if err != nil || put.Size != 5 || put.ETag != "5d41402abc4b2a76b9719d911017c592" {
		t.Fatalf("put: got %+v, %v; want 5 bytes with the MD5 of hello", put, err)
	}
	got, err := c.Stat(ctx, "photos", "a/b.txt", "")
	if err != nil || got.Size != 5 || got.ETag != put.ETag || got.Headers["Content-Type"] != "text/plain" || got.Metadata["colour"] != "red" || got.Modified.IsZero() {
		t.Errorf("stat: got %+v, %v", got, err)
	}
	_, body, err := c.Get(ctx, "photos", "a/b.txt", &api.GetOptions{Offset: 1, Size: 3})
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	if b, err := io.ReadAll(body); err != nil || string(b) != "ell" {
		t.Errorf("get a range: got %q, %v; want \"ell\"", b, err)
	}
	body.Close()
	page, err := c.List(ctx, "photos", api.ListQuery{Delimiter: "/"})
	if err != nil || len(page.Objects) != 0 || !slices.Equal(page.Prefixes, []string{"a/"}) {
		t.Errorf("list: got %+v, %v; want the prefix a/", page, err)
	}

	err = c.DeleteBucket(ctx, "photos", false)
	wantKind(t, "delete a bucket that is not empty", err, ais.Exists)
	if err := c.Delete(ctx, "photos", "a/b.txt", ""); err != nil {
		t.Errorf("delete: %v", err)
	}
	_, err = c.Stat(ctx, "photos", "a/b.txt", "")
	wantKind(t, "stat what was deleted", err, ais.NotFound)
	if err := c.Delete(ctx, "photos", "a/b.txt", ""); err != nil {
		t.Errorf("delete again: %v", err)
	}
	if err := c.DeleteBucket(ctx, "photos", false); err != nil {
		t.Errorf("delete the bucket: %v", err)
	}

	cluster, err := c.Cluster(ctx)
	if err != nil || len(cluster.Nodes) != 3 || cluster.State != "ok" || cluster.Version != "v1" || len(cluster.ID) != 16 {
		t.Errorf("cluster: got %+v, %v", cluster, err)
	}
	if want := "nobody is judged for another 12s"; len(cluster.Notes) != 1 || cluster.Notes[0] != want {
		t.Errorf("notes: got %q, want %q alone: two targets can hold two copies", cluster.Notes, want)
	}
	if paths, err := c.Mountpaths(ctx, cluster.Nodes[0].ID); err != nil || len(paths) != 1 || paths[0].Path != "/data" {
		t.Errorf("mountpaths: got %+v, %v", paths, err)
	}
	_, err = c.Mountpaths(ctx, "nobody")
	wantKind(t, "mountpaths of no node", err, ais.NotFound)

	value := "64MiB"
	settings, err := c.ChangeConfig(ctx, api.SettingsChange{"volume.size": &value})
	if err != nil {
		t.Fatalf("change configuration: %v", err)
	}
	i := slices.IndexFunc(settings, func(s api.Setting) bool { return s.Name == "volume.size" })
	if i < 0 || settings[i].Value != value || !settings[i].Set || settings[i].Default != "1GiB" || settings[i].Description == "" {
		t.Errorf("volume.size: got %+v", settings)
	}
	if settings, err = c.ChangeConfig(ctx, api.SettingsChange{"volume.size": nil}); err != nil || settings[i].Value != "1GiB" || settings[i].Set {
		t.Errorf("volume.size unset: got %+v, %v; want the default", settings[i], err)
	}
	if settings, err = c.Config(ctx); err != nil || len(settings) < 10 {
		t.Errorf("configuration: got %d settings, %v", len(settings), err)
	}
	visitCluster(t, s, c)
	if token, err := c.Token(ctx, time.Minute); err != nil || token.Token == "" {
		t.Errorf("token: got %+v, %v", token, err)
	}
	if status, _, body := s.raw(t, "GET", "/v1/openapi.yaml", "", func(r *http.Request) { r.Header.Del("Authorization") }); status != 200 || body != api.Document() {
		t.Errorf("document: got %d, %d bytes; want 200 and %d", status, len(body), len(api.Document()))
	}

	for _, pattern := range s.http.doc.Paths.InMatchingOrder() {
		for method := range s.http.doc.Paths.Value(pattern).Operations() {
			if !s.http.seen[method+" "+pattern] {
				t.Errorf("%s %s is in openapi.yaml, and no request met it", method, pattern)
			}
		}
	}
}

// TestRoutesAreDocumented asks every path of the document with every method: what is not documented is
// not there.
func TestRoutesAreDocumented(t *testing.T) {
	s := start(t)
	for _, r := range api.Routes() {
		method, pattern, _ := strings.Cut(r, " ")
		item := s.http.doc.Paths.Value(pattern)
		if item == nil || item.GetOperation(method) == nil {
			t.Errorf("%s is routed, and openapi.yaml does not have it", r)
		}
	}
	fill := strings.NewReplacer("{bucket}", "bbb", "{name}", "n", "{node}", "n", "{id}", "i")
	for _, pattern := range append(s.http.doc.Paths.InMatchingOrder(), "/v1", "/v1/", "/v1/nothing", "/v1/buckets/", "/v1/objects", "/v1/objects/b") {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} {
			documented := false
			if item := s.http.doc.Paths.Value(pattern); item != nil {
				documented = method == "BREW" == false && item.Operations()[method] != nil
			}
			status, _, body := s.raw(t, method, fill.Replace(pattern), "", nil)
			if missing := status == 405 || status == 404 && strings.Contains(body, "there is no"); documented && status == 405 {
				t.Errorf("%s %s: got %d, but openapi.yaml has it", method, pattern, status)
			} else if !documented && status < 400 {
				t.Errorf("%s %s: got %d (missing %v), but openapi.yaml does not have it", method, pattern, status, missing)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	s := start(t)
	if _, err := s.client(t, rootKey, rootSecret).CreateBucket(t.Context(), api.BucketCreate{Name: "bbb"}); err != nil {
		t.Fatal(err)
	}
	anonymous := func(r *http.Request) { r.Header.Del("Authorization") }
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for name, test := range map[string]struct {
		method, target, body string
		change               func(*http.Request)
		status               int
		kind                 string
	}{
		"not signed":               {"GET", "/v1/buckets", "", anonymous, 401, "Denied"},
		"not signed, no route":     {"GET", "/v1/secret", "", anonymous, 401, "Denied"},
		"not signed, object":       {"PUT", "/v1/objects/bbb/n", "x", anonymous, 401, "Denied"},
		"wrong signature":          {"GET", "/v1/buckets", "", func(r *http.Request) { r.URL.RawQuery = "limit=1" }, 403, "Denied"},
		"bad token":                {"GET", "/v1/buckets", "", set("Authorization", "Bearer ais1.AAAA.BBBB"), 403, "Denied"},
		"basic":                    {"GET", "/v1/buckets", "", set("Authorization", "Basic eDp5"), 400, "Invalid"},
		"no route":                 {"GET", "/v1/nothing", "", nil, 404, "NotFound"},
		"wrong method":             {"POST", "/v1/cluster", "", nil, 405, "Invalid"},
		"wrong method, object":     {"POST", "/v1/objects/bbb/n", "", nil, 405, "Invalid"},
		"unknown field":            {"POST", "/v1/buckets", `{"name":"new-one","polcy":"copies=2"}`, nil, 400, "Invalid"},
		"two values":               {"POST", "/v1/buckets", `{"name":"new-one"} {}`, nil, 400, "Invalid"},
		"no JSON":                  {"POST", "/v1/buckets", `name=new-one`, nil, 400, "Invalid"},
		"empty body":               {"POST", "/v1/buckets", "", nil, 400, "Invalid"},
		"wrong type":               {"POST", "/v1/buckets", `{"name":5}`, nil, 400, "Invalid"},
		"bad bucket name":          {"POST", "/v1/buckets", `{"name":"No"}`, nil, 400, "Invalid"},
		"bad policy":               {"POST", "/v1/buckets", `{"name":"new-one","policy":"copies=0"}`, nil, 400, "Invalid"},
		"bad min_copies":           {"PATCH", "/v1/buckets/bbb", `{"min_copies":-1}`, nil, 400, "Invalid"},
		"body bomb":                {"POST", "/v1/buckets", `{"name":"` + strings.Repeat("x", 2<<20) + `"}`, nil, 413, "Invalid"},
		"change of nothing":        {"PATCH", "/v1/buckets/missing", `{}`, nil, 404, "NotFound"},
		"delete of nothing":        {"DELETE", "/v1/buckets/missing", "", nil, 404, "NotFound"},
		"bad force":                {"DELETE", "/v1/buckets/bbb?force=maybe", "", nil, 400, "Invalid"},
		"unknown parameter":        {"DELETE", "/v1/buckets/bbb?froce=true", "", nil, 400, "Invalid"},
		"malformed query":          {"GET", "/v1/buckets/bbb/objects", "", func(r *http.Request) { r.URL.RawQuery = "prefix=%zz" }, 400, "Invalid"},
		"limit of 0":               {"GET", "/v1/buckets/bbb/objects?limit=0", "", nil, 400, "Invalid"},
		"limit of 1001":            {"GET", "/v1/buckets?limit=1001", "", nil, 400, "Invalid"},
		"list of nothing":          {"GET", "/v1/buckets/missing/objects", "", nil, 404, "NotFound"},
		"object in nothing":        {"PUT", "/v1/objects/missing/n", "x", nil, 404, "NotFound"},
		"missing object":           {"GET", "/v1/objects/bbb/n", "", nil, 404, "NotFound"},
		"empty name":               {"GET", "/v1/objects/bbb/", "", nil, 400, "Invalid"},
		"no name":                  {"GET", "/v1/objects/bbb", "", nil, 400, "Invalid"},
		"name not UTF-8":           {"GET", "/v1/objects/bbb/%ff", "", nil, 400, "Invalid"},
		"name too long":            {"GET", "/v1/objects/bbb/" + strings.Repeat("n", 1025), "", nil, 400, "Invalid"},
		"bad version":              {"GET", "/v1/objects/bbb/n?version=x", "", nil, 400, "Invalid"},
		"put of a version":         {"PUT", "/v1/objects/bbb/n?version=null", "x", nil, 400, "Invalid"},
		"unknown object parameter": {"GET", "/v1/objects/bbb/n?acl", "", nil, 400, "Invalid"},
		"bad Content-MD5":          {"PUT", "/v1/objects/bbb/n", "x", set("Content-MD5", "abc"), 400, "Invalid"},
		"wrong Content-MD5":        {"PUT", "/v1/objects/bbb/n", "x", set("Content-MD5", base64.StdEncoding.EncodeToString(make([]byte, 16))), 400, "Invalid"},
		"metadata too large":       {"PUT", "/v1/objects/bbb/n", "x", set("X-Ais-Meta-A", strings.Repeat("v", 2048)), 400, "Invalid"},
		"If-Match of nothing":      {"PUT", "/v1/objects/bbb/n", "x", set("If-Match", "*"), 404, "NotFound"},
		"unknown setting":          {"PATCH", "/v1/config", `{"volume.colour":"red"}`, nil, 400, "Invalid"},
		"unknown setting unset":    {"PATCH", "/v1/config", `{"volume.colour":null}`, nil, 400, "Invalid"},
		"bad value":                {"PATCH", "/v1/config", `{"volume.size":"huge"}`, nil, 400, "Invalid"},
		"parameter of the cluster": {"GET", "/v1/cluster?nodes=1", "", nil, 400, "Invalid"},
		"map of nobody":            {"GET", "/v1/cluster/map?node=aa", "", nil, 404, "NotFound"},
		"verb for nobody":          {"POST", "/v1/cluster/nodes/aa/maintenance", "", nil, 404, "NotFound"},
		"unknown verb":             {"POST", "/v1/cluster/nodes/00000000000000aa/explode", "", nil, 404, "NotFound"},
		"verb with a parameter":    {"POST", "/v1/cluster/nodes/00000000000000aa/activate?now=1", "", nil, 400, "Invalid"},
		"force-new unconfirmed":    {"POST", "/v1/cluster/force-new", "", nil, 400, "Invalid"},
		"force-new misspelt":       {"POST", "/v1/cluster/force-new", `{"conform":"x"}`, nil, 400, "Invalid"},
		"configuration of nobody":  {"GET", "/v1/nodes/aa/config", "", nil, 404, "NotFound"},
		"mountpaths of nobody":     {"GET", "/v1/nodes/aa/mountpaths", "", nil, 404, "NotFound"},
		"bad value on a node":      {"PATCH", "/v1/nodes/00000000000000aa/config", `{"volume.size":"huge"}`, nil, 400, "Invalid"},
		"missing xaction":          {"GET", "/v1/xactions/g1", "", nil, 404, "NotFound"},
		"bad life":                 {"POST", "/v1/tokens", `{"life":"forever"}`, nil, 400, "Invalid"},
		"long life":                {"POST", "/v1/tokens", `{"life":"1000h"}`, nil, 400, "Invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			status, header, body := s.raw(t, test.method, test.target, test.body, test.change)
			var reply api.ErrorReply
			if err := json.Unmarshal([]byte(body), &reply); err != nil {
				t.Fatalf("got %d %q, want JSON: %v", status, body, err)
			}
			path, _, _ := strings.Cut(test.target, "?")
			if e := reply.Error; status != test.status || e.Kind != test.kind || e.Message == "" || e.Resource != path || len(e.RequestID) != 16 {
				t.Errorf("got %d %+v; want %d, kind %s, a message, resource %s and a request id", status, e, test.status, test.kind, path)
			}
			if status == 401 && header.Get("Www-Authenticate") == "" {
				t.Errorf("401: got no Www-Authenticate")
			}
		})
	}
	if all := s.buckets.Buckets(); len(all) != 1 {
		t.Errorf("buckets after all those errors: got %d, want the one from before", len(all))
	}
	if empty, _ := s.store.Empty(t.Context(), s.buckets.Buckets()[0]); !empty {
		t.Errorf("bucket after all those errors: got objects, want none")
	}
}

// TestStoreErrors has the store fail in every way that it can.
func TestStoreErrors(t *testing.T) {
	s := start(t)
	c := s.client(t, rootKey, rootSecret)
	if _, err := c.CreateBucket(t.Context(), api.BucketCreate{Name: "bbb"}); err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[ais.Kind]int{ais.Internal: 500, ais.Corrupt: 500, ais.Unavailable: 503, ais.StaleMap: 503,
		ais.Exhausted: 507, ais.Denied: 403, ais.Precondition: 412, ais.Exists: 409} {
		for _, request := range []struct{ method, target string }{{"GET", "/v1/objects/bbb/n"}, {"PUT", "/v1/objects/bbb/n"},
			{"GET", "/v1/buckets/bbb/objects"}} {
			s.store.fail = ais.Errorf(kind, "the secret of sector 17")
			status, header, body := s.raw(t, request.method, request.target, "", nil)
			if status != want || !strings.Contains(body, kind.String()) {
				t.Errorf("%s %s, store says %v: got %d %s, want %d", request.method, request.target, kind, status, body, want)
			}
			if leaks := strings.Contains(body, "sector"); leaks != (status != 500) {
				t.Errorf("%v: got message %s; a 500 tells the log alone", kind, body)
			}
			if status == 503 && header.Get("Retry-After") == "" {
				t.Errorf("503: got no Retry-After")
			}
		}
	}
	s.store.fail = ais.Errorf(ais.Unavailable, "not now") // once
	if _, err := c.Put(t.Context(), "bbb", "n", strings.NewReader("x"), 1, nil); err != nil {
		t.Errorf("put against one 503: got %v, want the client to try again", err)
	}
}

func TestNames(t *testing.T) {
	s := start(t)
	c := s.client(t, rootKey, rootSecret)
	if _, err := c.CreateBucket(t.Context(), api.BucketCreate{Name: "bbb"}); err != nil {
		t.Fatal(err)
	}
	names := []string{"a", "a//b", "../x", "/lead", "trail/", ".", "..", "a b", "a+b", "a%2Fb", "a%b", "é", "日本", "a?b=c", "a#b",
		"nul\x00", "new\nline", `quo"te`, `back\slash`, "\u2028", "\U0001F600", "a://b", "v1/objects", strings.Repeat("é", 512)}
	for _, name := range names {
		if _, err := c.Put(t.Context(), "bbb", name, strings.NewReader(name), int64(len(name)), nil); err != nil {
			t.Errorf("put %q: %v", name, err)
			continue
		}
		_, body, err := c.Get(t.Context(), "bbb", name, nil)
		if err != nil {
			t.Errorf("get %q: %v", name, err)
			continue
		}
		if b, err := io.ReadAll(body); err != nil || string(b) != name {
			t.Errorf("get %q: got %q, %v", name, b, err)
		}
		body.Close()
	}
	slices.Sort(names)
	var listed []string
	for after := ""; ; {
		page, err := c.List(t.Context(), "bbb", api.ListQuery{After: after, Limit: 5})
		if err != nil {
			t.Fatalf("list after %q: %v", after, err)
		}
		for _, o := range page.Objects {
			listed = append(listed, o.Name)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if !slices.Equal(listed, names) {
		t.Errorf("listed: got %q, want %q", listed, names)
	}
	for _, name := range names {
		if err := c.Delete(t.Context(), "bbb", name, ""); err != nil {
			t.Errorf("delete %q: %v", name, err)
		}
	}
	if err := c.DeleteBucket(t.Context(), "bbb", false); err != nil {
		t.Errorf("delete the empty bucket: %v", err)
	}
}

func TestForcedDelete(t *testing.T) {
	s := start(t)
	c := s.client(t, rootKey, rootSecret)
	if _, err := c.CreateBucket(t.Context(), api.BucketCreate{Name: "bbb"}); err != nil {
		t.Fatal(err)
	}
	b, err := s.buckets.Bucket("bbb")
	if err != nil {
		t.Fatal(err)
	}
	s.store.mu.Lock()
	s.store.objects[b.ID] = map[string]*stored{}
	for i := range 2500 {
		name := string(rune('a'+i%26)) + strings.Repeat("x", i/26)
		s.store.objects[b.ID][name] = &stored{object: ais.Object{Name: name}}
	}
	for i := range 3 {
		s.store.uploads[b.ID] = append(s.store.uploads[b.ID], ais.Upload{ID: ais.MakeWriteID(1, 1, uint64(i)), Name: "u"})
	}
	s.store.mu.Unlock()
	if err := c.DeleteBucket(t.Context(), "bbb", true); err != nil {
		t.Fatalf("forced delete: %v", err)
	}
	_, err = c.Bucket(t.Context(), "bbb")
	wantKind(t, "the bucket afterwards", err, ais.NotFound)
	if empty, _ := s.store.Empty(t.Context(), b); !empty {
		t.Errorf("store: got objects or uploads left, want none")
	}
}

func TestConditionsAndRanges(t *testing.T) {
	s := start(t)
	c := s.client(t, rootKey, rootSecret)
	if _, err := c.CreateBucket(t.Context(), api.BucketCreate{Name: "bbb"}); err != nil {
		t.Fatal(err)
	}
	const data = "0123456789"
	put, err := c.Put(t.Context(), "bbb", "n", strings.NewReader(data), 10, &api.PutOptions{IfNoneMatch: "*"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Put(t.Context(), "bbb", "n", strings.NewReader(data), 10, &api.PutOptions{IfNoneMatch: "*"})
	wantKind(t, "put where one is", err, ais.Precondition)
	if _, err = c.Put(t.Context(), "bbb", "n", strings.NewReader(data), 10, &api.PutOptions{IfMatch: put.ETag}); err != nil {
		t.Errorf("put with the right If-Match: %v", err)
	}
	quoted := `"` + put.ETag + `"`
	past, future := "Mon, 02 Jan 2006 15:04:05 GMT", "Mon, 02 Jan 2106 15:04:05 GMT"
	for _, test := range []struct {
		headers map[string]string
		status  int
		body    string
	}{
		{nil, 200, data},
		{map[string]string{"If-Match": quoted}, 200, data},
		{map[string]string{"If-Match": `"x", ` + quoted}, 200, data},
		{map[string]string{"If-Match": `"x"`}, 412, ""},
		{map[string]string{"If-None-Match": quoted}, 304, ""},
		{map[string]string{"If-None-Match": "W/" + quoted}, 304, ""},
		{map[string]string{"If-None-Match": `"x"`}, 200, data},
		{map[string]string{"If-Modified-Since": past}, 200, data},
		{map[string]string{"If-Modified-Since": future}, 304, ""},
		{map[string]string{"If-Unmodified-Since": past}, 412, ""},
		{map[string]string{"If-Unmodified-Since": future}, 200, data},
		{map[string]string{"Range": "bytes=0-0"}, 206, "0"},
		{map[string]string{"Range": "bytes=3-"}, 206, "3456789"},
		{map[string]string{"Range": "bytes=-3"}, 206, "789"},
		{map[string]string{"Range": "bytes=-30"}, 206, data},
		{map[string]string{"Range": "bytes=8-100"}, 206, "89"},
		{map[string]string{"Range": "bytes=8-99999999999999999999"}, 206, "89"},
		{map[string]string{"Range": "bytes=10-"}, 416, ""},
		{map[string]string{"Range": "bytes=-0"}, 416, ""},
		{map[string]string{"Range": "bytes=0-1,3-4"}, 200, data},
		{map[string]string{"Range": "bytes=4-3"}, 200, data},
		{map[string]string{"Range": "lines=1-2"}, 200, data},
		{map[string]string{"Range": "bytes=x-"}, 200, data},
		{map[string]string{"Range": "bytes=0-1", "If-Range": quoted}, 206, "01"},
		{map[string]string{"Range": "bytes=0-1", "If-Range": `"x"`}, 200, data},
		{map[string]string{"Range": "bytes=0-1", "If-Range": past}, 200, data},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			status, header, body := s.raw(t, method, "/v1/objects/bbb/n?redirect=false", "", func(r *http.Request) {
				for name, value := range test.headers {
					r.Header.Set(name, value)
				}
			})
			want := test.body
			if method == "HEAD" {
				want = ""
			}
			if status != test.status || status < 300 && body != want {
				t.Errorf("%s %v: got %d %q, want %d %q", method, test.headers, status, body, test.status, want)
			}
			if (status < 300 || status == 304) && header.Get("Etag") != quoted {
				t.Errorf("%s %v: got tag %q, want %q", method, test.headers, header.Get("Etag"), quoted)
			}
			if status == 416 && header.Get("Content-Range") != "bytes */10" {
				t.Errorf("%s %v: got Content-Range %q, want bytes */10", method, test.headers, header.Get("Content-Range"))
			}
		}
	}
}

func TestTokens(t *testing.T) {
	s := start(t)
	c := s.client(t, otherKey, otherSecret)
	token, err := c.Token(t.Context(), 0)
	if err != nil {
		t.Fatalf("token: %v", err)
	}
	if left := time.Until(token.Expires); left < 59*time.Minute || left > 61*time.Minute {
		t.Errorf("expires: got in %v, want one hour", left)
	}
	bearer := func(r *http.Request) {
		for _, name := range []string{"X-Amz-Date", "X-Amz-Content-Sha256"} {
			r.Header.Del(name)
		}
		r.Header.Set("Authorization", "Bearer "+token.Token)
	}
	if status, _, body := s.raw(t, "POST", "/v1/buckets", `{"name":"bbb"}`, bearer); status != 201 || !strings.Contains(body, otherKey) {
		t.Errorf("bucket by token: got %d %s, want 201, owned by %s", status, body, otherKey)
	}
	if status, _, _ := s.raw(t, "PUT", "/v1/objects/bbb/n", "hello", bearer); status != 200 {
		t.Errorf("object by token: got %d, want 200", status)
	}
	if status, _, _ := s.raw(t, "POST", "/v1/tokens", "", bearer); status != 403 {
		t.Errorf("token by token: got %d, want 403", status)
	}
	_, err = c.ChangeConfig(t.Context(), api.SettingsChange{"volume.size": nil})
	wantKind(t, "configuration without a root key", err, ais.Denied)
}

func TestLargeAndStreamedObjects(t *testing.T) {
	s := start(t)
	c := s.client(t, rootKey, rootSecret)
	if _, err := c.CreateBucket(t.Context(), api.BucketCreate{Name: "bbb"}); err != nil {
		t.Fatal(err)
	}
	data := bytes.Repeat([]byte("0123456789abcdef"), 300_000)
	sum := md5.Sum(data)
	for name, size := range map[string]int64{"known": int64(len(data)), "unknown": -1} {
		o, err := c.Put(t.Context(), "bbb", name, bytes.NewReader(data), size, nil)
		if err != nil || o.Size != int64(len(data)) || o.ETag != hex.EncodeToString(sum[:]) {
			t.Errorf("put, size %s: got %+v, %v; want %d bytes, tag %x", name, o, err, len(data), sum)
			continue
		}
		_, body, err := c.Get(t.Context(), "bbb", name, nil)
		if err != nil {
			t.Errorf("get: %v", err)
			continue
		}
		if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, data) {
			t.Errorf("get, size %s: got %d bytes, %v; want what was put", name, len(got), err)
		}
		body.Close()
	}
	_, err := c.Put(t.Context(), "missing", "n", bytes.NewReader(data), int64(len(data)), nil)
	wantKind(t, "put into a missing bucket", err, ais.NotFound)
	_, err = c.Put(t.Context(), "bbb", "short", strings.NewReader("abc"), 5, nil)
	wantKind(t, "put of a body that is shorter than said", err, ais.Invalid)
	_, err = c.Stat(t.Context(), "bbb", "short", "")
	wantKind(t, "stat of the short one", err, ais.NotFound)
}
