package integration

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/minio/minio-go/v7"
)

// hostileNames are names that have broken somebody's store. All are legal: 1 to 1,024 bytes of UTF-8.
func hostileNames() []string {
	all := []string{
		// Paths that are no paths.
		"a", "a/", "a/b", "a/b/", "a//b", "a///b", "a//", "/lead", "//lead", "/", "//", "///", "./x", "x/.", "../x", "../../etc/passwd",
		"x/../y", "x/..", "..", ".", "...", "a/./b", "a/../b", "a/b/../../c", ".hidden", "a/.hidden", "~", "~root", "~/x", `\`, `a\b`, `\\host\share`,
		`..\x`, "C:", `C:\x`, "c:/x", "file:///etc/passwd", "http://x/y", "http:/x", "s3://bucket/name", "//host/path", "a:b", "a/b:c/d",
		// Names that mean something to ais, to S3, or to some system.
		".ais", ".ais/identity", ".ais/volumes/0000000000000001.vol", "v1", "v1/objects", "v1/buckets/x", "metrics", "healthz", "index.html", "favicon.ico",
		"CON", "PRN", "AUX", "NUL", "COM1", "LPT1", "con.txt", "nul.tar.gz", "aux/x", "desktop.ini", "Thumbs.db", ".DS_Store", ".git/config", "lost+found",
		"null", "nil", "undefined", "None", "true", "false", "0", "-0", "-1", "1e309", "NaN", "Infinity", "0x10", "1/0", "soap", "policy", "acl",
		"uploads", "uploadId", "delete", "location", "versions", "versionId=null", "partNumber=1", "x-amz-meta-a", "_$folder$", "dir_$folder$",
		"-", "--", "-rf", "--help", "-o ProxyCommand=x", "*", "a*", "[a-z]", "{a,b}", "a?b", "?", "?a=b", "?versionId=1", "a?uploads", "#", "a#b", "#fragment",
		// What URLs, forms, headers, shells, XML and SQL make special.
		"%", "%%", "%2F", "a%2Fb", "%2f", "%2E%2E%2F", "%00", "%0A", "%25", "%2525", "%zz", "%u0041", "100%", "a%", "a%2", "+", "a+b", "a b", " ", "  ", " lead",
		"trail ", "a  b", "a + b", "a%20b", "a&b", "a&amp;b", "&lt;", "&#0;", "&unknown;", "a=b", "a;b", ";", ";a=b", "a,b", ",", "a@b", "@", "a!b", "!", "$HOME", "${HOME}",
		"$(id)", "`id`", "a|b", "|", "a>b", "a<b", "<", "<x>", "</Key>", "<![CDATA[x]]>", "]]>", "<!--x-->", "<?xml?>", "<!DOCTYPE x>", "'", "''", `"`, `""`, `a"b`, "a'b", "' OR '1'='1",
		"'; DROP TABLE objects; --", "^", "a^b", "(a)", "a(b", "%s%n%d", "{{.}}", "{}", "[]", "\"}", "é=1", "a\\nb", "a\\0b", "a\\", "\\u0041",
		// White space and control characters.
		"a\tb", "\t", "a\nb", "\n", "a\rb", "a\r\nb", "a\r\nX-Injected: 1", "trail\n", "\r", "\x01", "a\x01b", "\x08", "\x1b[31mred", "a\x00b", "\x00", "\x00\x00", "trail\x00", "\x0b", "\x0c", "\x1f",
		"\x7f", "a\x7fb", "\u0080", "\u0085", "\u009f", "\u00a0", "\u2028", "\u2029", "\u200b", "\u200d", "\ufeff", "\ufeffbom", "\u3000", "\u00ad", "\u2060",
		// Unicode of all planes; forms that look alike; directions; what folds or grows by case.
		"é", "e\u0301", "Å", "A\u030a", "\u212b", "ﬁ", "fi", "ß", "ẞ", "SS", "ı", "İ", "i\u0307", "Σ", "σ", "ς", "ǆ", "ǅ", "K", "\u212a", "ÿ", "\u00ff/\u00fe",
		"日本語", "日本語/テスト", "한국어", "\u1112\u1161\u11ab", "中文 文件", "Ελληνικά", "Русский", "עברית", "العربية", "ไทย", "हिन्दी", "\u202eevil.txt", "a\u202bb", "\u200fx", "\u2066x\u2069",
		"😀", "👩‍👩‍👧‍👦", "🇩🇪", "👍🏽", "😀/😁/😂", "𝒳", "𠜎", "𐍈", "\U0001fffe", "\U0010fffd", "\U000e0001", "\U0010ffff", "\ue000", "\uf8ff", "\uffff", "\ufffe", "\ufffd", "\u0fff",
		"z\u0335\u0321\u0322a\u0334\u0328l\u0337\u0327g\u0338o", "a\u0300\u0300\u0300\u0300\u0300\u0300\u0300\u0300", "１２３", "，", "／", "．．／", "％２Ｆ",
		// Neighbours that must not collide or change places.
		"sort/a", "sort/a-b", "sort/a.b", "sort/a/b", "sort/a0", "sort/aa", "sort/A", "sort/Z", "sort/_", "sort/é", "sort/z", "sort/~", "sort/\U0001f600", "sort/\uffee", "sort", "sort/", "sorta", "SORT", "Sort",
	}
	// Lengths: at the limit, in one segment and in many, in wide characters, and just over what file systems take.
	for _, n := range []int{254, 255, 256, 512, 1000, 1023, 1024} {
		all = append(all, strings.Repeat("n", n))
	}
	all = append(all,
		strings.Repeat("a/", 512), strings.Repeat("/", 1024), strings.Repeat("../", 341), strings.Repeat("%2F", 341), strings.Repeat(" ", 1024),
		strings.Repeat("é", 512), strings.Repeat("日", 341), strings.Repeat("😀", 256), strings.Repeat("\x00", 1024), strings.Repeat("+", 1024),
		strings.Repeat("d", 1000)+"/x", "x/"+strings.Repeat("d", 1000), strings.Repeat("é", 300)+"/"+strings.Repeat("\n", 300), strings.Repeat("deep/", 200)+"leaf",
		strings.Repeat("a", 1023)+"/", strings.Repeat("&", 1024), strings.Repeat("\u202e", 341), strings.Repeat("\"<>&'", 204))
	// Every printable ASCII character that is not a letter or digit, in the middle and at both ends.
	for c := byte('!'); c < 0x7f; c++ {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9') {
			all = append(all, fmt.Sprintf("%cascii%cx%c", c, c, c))
		}
	}
	return all
}

// nameValue is what is stored under a name: something of the name's own.
func nameValue(name string) []byte {
	return value{key: name, number: 7, size: 96 + int64(len(name))}.bytes()
}

// nameClient is one way to send names.
type nameClient struct {
	put  func(ctx context.Context, bucket, name string, body []byte) error
	get  func(ctx context.Context, bucket, name string) ([]byte, error)
	list func(ctx context.Context, bucket string) ([]string, error) // nil: it cannot list such names
	// cannot says why this client cannot send a name; "" if it can.
	cannot func(name string) string
}

func anyName(string) string { return "" }

// TestNames sends every hostile name through every client that can send it, and wants it back: by
// name, and in listings in the order of bytes.
func TestNames(t *testing.T) {
	all := hostileNames()
	sorted := slices.Clone(all)
	slices.Sort(sorted)
	if unique := slices.Compact(sorted); len(unique) != len(all) || len(all) < 200 {
		t.Fatalf("the corpus has %d names, %d of them different: want at least 200, all different", len(all), len(unique))
	}
	n := startNode(t)
	c := newRaw(n)
	clients := map[string]nameClient{
		"raw":      rawNames(c),
		"raw-rest": restNames(c),
		"minio-go": minioNames(t, n),
		"aws-sdk":  sdkNames(newSDK(t, n.url(), nil)),
		"ais":      cliNames(t, n),
	}
	for client, via := range clients {
		t.Run(client, func(t *testing.T) {
			bucket := "names-" + client
			c.makeBucket(t, bucket)
			var sent []string
			for _, name := range all {
				if why := via.cannot(name); why != "" {
					t.Logf("not sent by %s: %.40q: %s", client, name, why)
					continue
				}
				sent = append(sent, name)
			}
			if len(sent) < 200 {
				t.Fatalf("%s sends %d names, want at least 200", client, len(sent))
			}
			roundTrip(t, c, via, bucket, sent)
		})
	}
	t.Run("beside-each-other", func(t *testing.T) { checkDeletes(t, c, all) })
}

func roundTrip(t *testing.T, c *raw, via nameClient, bucket string, sent []string) {
	each(t, sent, func(name string) error {
		if err := via.put(t.Context(), bucket, name, nameValue(name)); err != nil {
			return fmt.Errorf("put %.60q: %w", name, err)
		}
		return nil
	})
	want := slices.Sorted(slices.Values(sent))
	checkListing := func(how string, got []string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %d names, want %d in the order of bytes; %s", how, len(got), len(want), firstDifference(got, want))
		}
	}
	checkListing("raw listing, encoded, in pages of 7", names(c.list(t, bucket, true, 7)))
	checkListing("raw listing, encoded, in pages of 1000", names(c.list(t, bucket, true, 1000)))
	if via.list != nil {
		got, err := via.list(t.Context(), bucket)
		if err != nil {
			t.Fatalf("list: %v", err)
		}
		checkListing("its own listing", got)
	}
	each(t, sent, func(name string) error {
		got, err := via.get(t.Context(), bucket, name)
		if err != nil {
			return fmt.Errorf("get %.60q: %w", name, err)
		}
		if !bytes.Equal(got, nameValue(name)) {
			return fmt.Errorf("get %.60q: got %d bytes %.40q, want those of this name", name, len(got), got)
		}
		return nil
	})
}

// checkDeletes stores all names, deletes every other one, and finds the rest untouched; and lists
// without encoding what XML can carry.
func checkDeletes(t *testing.T, c *raw, all []string) {
	const bucket = "names-deletes"
	c.makeBucket(t, bucket)
	want := []string{}
	for i, name := range all {
		if xmlSafe(name) {
			c.put(t, bucket, name, nameValue(name))
			if i%2 == 0 {
				want = append(want, name)
			}
		}
	}
	for i, name := range all {
		if i%2 == 1 && xmlSafe(name) {
			c.must(t, call{method: "DELETE", path: "/" + bucket + "/" + name})
		}
	}
	slices.Sort(want)
	got := names(c.list(t, bucket, true, 1000))
	if !slices.Equal(got, want) {
		t.Fatalf("after deleting every other name: got %d names, want %d; %s", len(got), len(want), firstDifference(got, want))
	}
	for _, name := range want {
		if r := c.must(t, call{method: "GET", path: "/" + bucket + "/" + name}); !bytes.Equal(r.body, nameValue(name)) {
			t.Errorf("%.60q was changed by the deletion of its neighbours: got %q", name, r.body)
		}
	}
	// A carriage return cannot be told from a line feed by an XML parser unless it is escaped, which
	// is the server's business: it is part of this.
	if got := names(c.list(t, bucket, false, 1000)); !slices.Equal(got, want) {
		t.Errorf("listing without encoding-type: got %d names, want %d; %s", len(got), len(want), firstDifference(got, want))
	}
	c.empty(t, bucket)
}

func firstDifference(got, want []string) string {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return fmt.Sprintf("missing at the end: %.60q", want[i])
		case i >= len(want):
			return fmt.Sprintf("too many at the end: %.60q", got[i])
		case got[i] != want[i]:
			return fmt.Sprintf("name %d is %.60q, want %.60q", i, got[i], want[i])
		}
	}
	return "no difference"
}

// each runs do for all names, several at a time, and reports the first few errors.
func each(t *testing.T, all []string, do func(name string) error) {
	t.Helper()
	work := make(chan string)
	var wg sync.WaitGroup
	var failed atomic.Int32
	for range 8 {
		wg.Go(func() {
			for name := range work {
				if err := do(name); err != nil && failed.Add(1) <= 5 {
					t.Error(err)
				}
			}
		})
	}
	for _, name := range all {
		work <- name
	}
	close(work)
	wg.Wait()
	if n := failed.Load(); n > 0 {
		t.Fatalf("%d of %d names failed", n, len(all))
	}
}

func rawNames(c *raw) nameClient {
	return nameClient{
		put: func(ctx context.Context, bucket, name string, body []byte) error {
			return rawPut(ctx, c, "/"+bucket+"/"+name, body)
		},
		get: func(ctx context.Context, bucket, name string) ([]byte, error) {
			return rawGet(ctx, c, "/"+bucket+"/"+name)
		},
		cannot: anyName,
	}
}

func restNames(c *raw) nameClient {
	return nameClient{
		put: func(ctx context.Context, bucket, name string, body []byte) error {
			return rawPut(ctx, c, "/v1/objects/"+bucket+"/"+name, body)
		},
		get: func(ctx context.Context, bucket, name string) ([]byte, error) {
			return rawGet(ctx, c, "/v1/objects/"+bucket+"/"+name)
		},
		cannot: anyName,
	}
}

func rawPut(ctx context.Context, c *raw, path string, body []byte) error {
	r, err := c.do(ctx, call{method: "PUT", path: path, body: body})
	if err == nil && r.status/100 != 2 {
		err = fmt.Errorf("got %v", r)
	}
	return err
}

func rawGet(ctx context.Context, c *raw, path string) ([]byte, error) {
	r, err := c.do(ctx, call{method: "GET", path: path})
	if err == nil && r.status != http.StatusOK {
		err = fmt.Errorf("got %v", r)
	}
	return r.body, err
}

func minioNames(t *testing.T, n *node) nameClient {
	m := newMinio(t, n)
	return nameClient{
		put: func(ctx context.Context, bucket, name string, body []byte) error {
			_, err := m.PutObject(ctx, bucket, name, bytes.NewReader(body), int64(len(body)), minio.PutObjectOptions{})
			return err
		},
		get: func(ctx context.Context, bucket, name string) ([]byte, error) {
			o, err := m.GetObject(ctx, bucket, name, minio.GetObjectOptions{})
			if err != nil {
				return nil, err
			}
			defer o.Close()
			return io.ReadAll(o)
		},
		list: func(ctx context.Context, bucket string) (all []string, err error) {
			for o := range m.ListObjects(ctx, bucket, minio.ListObjectsOptions{Recursive: true}) {
				if o.Err != nil {
					return nil, o.Err
				}
				all = append(all, o.Key)
			}
			return all, nil
		},
		cannot: func(name string) string {
			if strings.TrimSpace(name) == "" {
				return "it takes white space for an empty name"
			}
			return ""
		},
	}
}

func sdkNames(s *s3.Client) nameClient {
	return nameClient{
		put: func(ctx context.Context, bucket, name string, body []byte) error {
			_, err := s.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &name, Body: bytes.NewReader(body)})
			return err
		},
		get: func(ctx context.Context, bucket, name string) ([]byte, error) {
			o, err := s.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &name})
			if err != nil {
				return nil, err
			}
			defer o.Body.Close()
			return io.ReadAll(o.Body)
		},
		list: func(ctx context.Context, bucket string) (all []string, err error) {
			pages := s3.NewListObjectsV2Paginator(s, &s3.ListObjectsV2Input{Bucket: &bucket, EncodingType: types.EncodingTypeUrl, MaxKeys: aws.Int32(50)})
			for pages.HasMorePages() {
				page, err := pages.NextPage(ctx)
				if err != nil {
					return nil, err
				}
				for _, o := range page.Contents {
					name, err := url.QueryUnescape(*o.Key)
					if err != nil {
						return nil, err
					}
					all = append(all, name)
				}
			}
			return all, nil
		},
		cannot: anyName,
	}
}

// cliNames hands names to our own program as arguments, files on its standard streams.
func cliNames(t *testing.T, n *node) nameClient {
	return nameClient{
		put: func(ctx context.Context, bucket, name string, body []byte) error {
			_, err := runAIS(ctx, n, bytes.NewReader(body), "put", "-", bucket+"/"+name)
			return err
		},
		get: func(ctx context.Context, bucket, name string) ([]byte, error) {
			return runAIS(ctx, n, nil, "get", bucket+"/"+name, "-")
		},
		cannot: func(name string) string {
			if strings.Contains(name, "\x00") {
				return "an argument cannot hold a NUL"
			}
			if strings.HasSuffix(name, "/") {
				return "it takes that for a folder"
			}
			return ""
		},
	}
}

// TestNamesAsFiles sends names that a file can have through the clients that copy folders.
func TestNamesAsFiles(t *testing.T) {
	n := startNode(t)
	c := newRaw(n)
	for client, via := range folderClients(t, n) {
		t.Run(client, func(t *testing.T) {
			dir, back := t.TempDir(), t.TempDir()
			var want []string
			for _, name := range hostileNames() {
				if strings.ContainsAny(name, "/\x00") || name == "." || name == ".." || len(name) > 250 || via.cannot(name) {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, name), nameValue(name), 0o644); err != nil {
					t.Fatal(err)
				}
				want = append(want, "files/"+name)
			}
			if len(want) < 150 {
				t.Errorf("%s sends %d names, want at least 150", client, len(want))
			}
			bucket := "files-" + client
			c.makeBucket(t, bucket)
			if err := via.putDir(t.Context(), dir, bucket, "files"); err != nil {
				t.Fatalf("put the folder: %v", err)
			}
			slices.Sort(want)
			if got := names(c.list(t, bucket, true, 1000)); !slices.Equal(got, want) {
				t.Fatalf("stored by %s: got %d names, want %d; %s", client, len(got), len(want), firstDifference(got, want))
			}
			if err := via.getDir(t.Context(), bucket, "files", back); err != nil {
				t.Fatalf("get the folder: %v", err)
			}
			if err := sameTrees(back, dir); err != nil {
				t.Error(err)
			}
			c.empty(t, bucket)
		})
	}
}

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
