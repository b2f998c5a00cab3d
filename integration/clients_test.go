package integration

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/minio/minio-go/v7"
	miniocredentials "github.com/minio/minio-go/v7/pkg/credentials"
)

// folderClient is a client that carries folders and files in and out. Files of a folder are stored
// as prefix/relative path.
type folderClient struct {
	putDir  func(ctx context.Context, dir, bucket, prefix string) error
	getDir  func(ctx context.Context, bucket, prefix, dir string) error
	putFile func(ctx context.Context, file, bucket, name string) error
	getFile func(ctx context.Context, bucket, name, file string) error
	check   func(ctx context.Context, dir, bucket, prefix string) error // its own comparison, if it has one
	cannot  func(fileName string) bool                                  // it cannot carry such a name as it is
}

func folderClients(t *testing.T, n *node) map[string]folderClient {
	return map[string]folderClient{
		"s3cmd":       s3cmd(t, n),
		"aws":         awscli(t, n),
		"rclone":      rclone(t, n),
		"minio-go":    minioFolders(newMinio(t, n)),
		"aws-sdk":     sdkFolders(newSDK(t, n.url(), nil)),
		"aws-sdk-tls": sdkFolders(newTLSClient(t, n)),
		"ais":         aisFolders(n),
	}
}

// TestClients carries a tree of source files and one big file in and out through every client, and
// wants every byte back.
func TestClients(t *testing.T) {
	count, size := 1000, int64(1<<30)
	if long() {
		count, size = 10000, 5<<30
	}
	tree := sourceTree(t, count)
	big, v := bigFile(t, size)
	n := startNode(t)
	c := newRaw(n)
	for name, client := range folderClients(t, n) {
		t.Run(name, func(t *testing.T) {
			bucket := "clients-" + name
			c.makeBucket(t, bucket)
			lap := newLap(t)
			fail := func(what string, err error) {
				t.Helper()
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				lap(what)
			}
			fail("put the tree", client.putDir(t.Context(), tree, bucket, "tree"))
			if got := len(c.list(t, bucket, true, 1000)); got != count {
				t.Fatalf("stored %d objects, want %d", got, count)
			}
			if client.check != nil {
				fail("its own check", client.check(t.Context(), tree, bucket, "tree"))
			}
			back := t.TempDir()
			fail("get the tree", client.getDir(t.Context(), bucket, "tree", back))
			fail("compare the trees", sameTrees(back, tree))
			if name == "aws-sdk-tls" && !long() {
				c.empty(t, bucket)
				return // the big file of this client differs from aws-sdk's by its signatures alone
			}
			fail("put the big file", client.putFile(t.Context(), big, bucket, "big"))
			got := filepath.Join(back, "big")
			fail("get the big file", client.getFile(t.Context(), bucket, "big", got))
			fail("compare the big file", checkFile(got, v))
			c.empty(t, bucket)
			lap("delete all")
		})
	}
}

// newLap logs how long each step took.
func newLap(t *testing.T) func(what string) {
	last := time.Now()
	return func(what string) {
		t.Logf("%-22s %6.1f s", what, time.Since(last).Seconds())
		last = time.Now()
	}
}

// tool runs an installed client; what it says is in the error.
func tool(ctx context.Context, env []string, name string, args ...string) error {
	path := "/usr/bin/" + name
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("%w (make tools installs it)", err)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(environment(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %.300q: %w: %s", name, args, err, out[max(0, len(out)-2000):])
	}
	return nil
}

// config writes a client's configuration file and gives its path.
func config(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func s3cmd(t *testing.T, n *node) folderClient {
	file := config(t, fmt.Sprintf("[default]\naccess_key = %s\nsecret_key = %s\nhost_base = %s\nhost_bucket = %s\nuse_https = False\n"+
		"bucket_location = us-east-1\nprogress_meter = False\nmultipart_chunk_size_mb = 64\n", rootKey, rootSecret, n.address(), n.address()))
	run := func(ctx context.Context, args ...string) error {
		return tool(ctx, nil, "s3cmd", append([]string{"--config=" + file, "--quiet"}, args...)...)
	}
	return folderClient{
		putDir: func(ctx context.Context, dir, bucket, prefix string) error {
			return run(ctx, "sync", dir+"/", "s3://"+bucket+"/"+prefix+"/")
		},
		getDir: func(ctx context.Context, bucket, prefix, dir string) error {
			return run(ctx, "sync", "s3://"+bucket+"/"+prefix+"/", dir+"/")
		},
		putFile: func(ctx context.Context, file, bucket, name string) error {
			return run(ctx, "put", file, "s3://"+bucket+"/"+name)
		},
		getFile: func(ctx context.Context, bucket, name, file string) error {
			return run(ctx, "get", "--force", "s3://"+bucket+"/"+name, file)
		},
		cannot: func(name string) bool { return notPlain(name) || strings.TrimSpace(name) != name }, // it trims what it lists
	}
}

func awscli(t *testing.T, n *node) folderClient {
	file := config(t, "[default]\nregion = us-east-1\ns3 =\n  addressing_style = path\n  max_concurrent_requests = 10\n  multipart_chunksize = 64MB\n")
	env := []string{"AWS_CONFIG_FILE=" + file, "AWS_ACCESS_KEY_ID=" + rootKey, "AWS_SECRET_ACCESS_KEY=" + rootSecret}
	run := func(ctx context.Context, args ...string) error {
		return tool(ctx, env, "aws", append([]string{"--endpoint-url", n.url(), "s3"}, args...)...)
	}
	return folderClient{
		putDir: func(ctx context.Context, dir, bucket, prefix string) error {
			return run(ctx, "cp", "--recursive", "--only-show-errors", dir, "s3://"+bucket+"/"+prefix)
		},
		getDir: func(ctx context.Context, bucket, prefix, dir string) error {
			return run(ctx, "cp", "--recursive", "--only-show-errors", "s3://"+bucket+"/"+prefix, dir)
		},
		putFile: func(ctx context.Context, file, bucket, name string) error {
			return run(ctx, "cp", "--only-show-errors", file, "s3://"+bucket+"/"+name)
		},
		getFile: func(ctx context.Context, bucket, name, file string) error {
			return run(ctx, "cp", "--only-show-errors", "s3://"+bucket+"/"+name, file)
		},
		cannot: notPlain,
	}
}

func rclone(t *testing.T, n *node) folderClient {
	file := config(t, fmt.Sprintf("[r]\ntype = s3\nprovider = Other\naccess_key_id = %s\nsecret_access_key = %s\nendpoint = %s\nregion = us-east-1\n"+
		"force_path_style = true\nlist_url_encode = true\nchunk_size = 64Mi\nupload_concurrency = 2\n", rootKey, rootSecret, n.url()))
	run := func(ctx context.Context, args ...string) error {
		return tool(ctx, nil, "rclone", append([]string{"--config", file, "--transfers", "8", "--checkers", "8", "--retries", "1", "--no-unicode-normalization"}, args...)...)
	}
	return folderClient{
		putDir: func(ctx context.Context, dir, bucket, prefix string) error {
			return run(ctx, "copy", dir, "r:"+bucket+"/"+prefix)
		},
		getDir: func(ctx context.Context, bucket, prefix, dir string) error {
			return run(ctx, "copy", "r:"+bucket+"/"+prefix, dir)
		},
		putFile: func(ctx context.Context, file, bucket, name string) error {
			return run(ctx, "copyto", file, "r:"+bucket+"/"+name)
		},
		getFile: func(ctx context.Context, bucket, name, file string) error {
			return run(ctx, "copyto", "r:"+bucket+"/"+name, file)
		},
		check: func(ctx context.Context, dir, bucket, prefix string) error {
			return run(ctx, "check", dir, "r:"+bucket+"/"+prefix)
		},
		cannot: notPlain,
	}
}

// notPlain are file names that the command-line clients rewrite or refuse by themselves.
func notPlain(name string) bool {
	for _, r := range name {
		if r < ' ' || r == 0x7f || r == '\\' || r >= 0x80 && r < 0xa0 || r >= 0xfff0 && r <= 0xffff {
			return true
		}
	}
	return strings.HasSuffix(name, " ") || strings.HasSuffix(name, ".")
}

func newMinio(t *testing.T, n *node) *minio.Client {
	m, err := minio.New(n.address(), &minio.Options{Creds: miniocredentials.NewStaticV4(rootKey, rootSecret, ""), Region: region, MaxRetries: 1})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func minioFolders(m *minio.Client) folderClient {
	return folderClient{
		putDir: func(ctx context.Context, dir, bucket, prefix string) error {
			return putEach(ctx, dir, func(ctx context.Context, path, name string) error {
				_, err := m.FPutObject(ctx, bucket, prefix+"/"+name, path, minio.PutObjectOptions{})
				return err
			})
		},
		getDir: func(ctx context.Context, bucket, prefix, dir string) error {
			var all []string
			for o := range m.ListObjects(ctx, bucket, minio.ListObjectsOptions{Prefix: prefix + "/", Recursive: true}) {
				if o.Err != nil {
					return o.Err
				}
				all = append(all, o.Key)
			}
			return inParallel(ctx, all, func(ctx context.Context, name string) error {
				return m.FGetObject(ctx, bucket, name, filepath.Join(dir, strings.TrimPrefix(name, prefix)), minio.GetObjectOptions{})
			})
		},
		putFile: func(ctx context.Context, file, bucket, name string) error {
			_, err := m.FPutObject(ctx, bucket, name, file, minio.PutObjectOptions{PartSize: 64 << 20, NumThreads: 2})
			return err
		},
		getFile: func(ctx context.Context, bucket, name, file string) error {
			return m.FGetObject(ctx, bucket, name, file, minio.GetObjectOptions{})
		},
		cannot: func(name string) bool { return strings.TrimSpace(name) == "" },
	}
}

// newSDK is the AWS SDK with what it does by default: checksums on all that can have them.
func newSDK(t *testing.T, endpoint string, client aws.HTTPClient) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: &endpoint, Region: region, UsePathStyle: true, HTTPClient: client, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(rootKey, rootSecret, ""),
	})
}

// newTLSClient is the SDK behind a proxy that speaks TLS, over which it sends unsigned chunks with
// trailing checksums.
func newTLSClient(t *testing.T, n *node) *s3.Client {
	to, err := url.Parse(n.url())
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // it is signed
	}}
	server := httptest.NewTLSServer(proxy)
	t.Cleanup(server.Close)
	return newSDK(t, server.URL, server.Client())
}

func sdkFolders(s *s3.Client) folderClient {
	up := manager.NewUploader(s, func(u *manager.Uploader) { u.PartSize, u.Concurrency = 64<<20, 2 })
	down := manager.NewDownloader(s, func(d *manager.Downloader) { d.PartSize, d.Concurrency = 64<<20, 2 })
	put := func(ctx context.Context, file, bucket, name string) error {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = up.Upload(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &name, Body: f})
		return err
	}
	get := func(ctx context.Context, bucket, name, file string) error {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		f, err := os.Create(file)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = down.Download(ctx, f, &s3.GetObjectInput{Bucket: &bucket, Key: &name})
		return err
	}
	return folderClient{
		putDir: func(ctx context.Context, dir, bucket, prefix string) error {
			return putEach(ctx, dir, func(ctx context.Context, path, name string) error {
				return put(ctx, path, bucket, prefix+"/"+name)
			})
		},
		getDir: func(ctx context.Context, bucket, prefix, dir string) error {
			all, err := sdkNames(s).list(ctx, bucket)
			if err != nil {
				return err
			}
			return inParallel(ctx, all, func(ctx context.Context, name string) error {
				// A whole GET, so that the SDK checks the stored checksum; small files only.
				o, err := s.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &name, ChecksumMode: "ENABLED"})
				if err != nil {
					return err
				}
				defer o.Body.Close()
				body, err := io.ReadAll(o.Body)
				if err != nil {
					return err
				}
				path := filepath.Join(dir, strings.TrimPrefix(name, prefix))
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					return err
				}
				return os.WriteFile(path, body, 0o644)
			})
		},
		putFile: put,
		getFile: get,
		cannot:  func(string) bool { return false },
	}
}

func putEach(ctx context.Context, dir string, put func(ctx context.Context, path, name string) error) error {
	all, err := listFiles(dir)
	if err != nil {
		return err
	}
	return inParallel(ctx, all, func(ctx context.Context, name string) error {
		return put(ctx, filepath.Join(dir, name), name)
	})
}

// runAIS runs our own program as a client and gives its standard output.
func runAIS(ctx context.Context, n *node, stdin io.Reader, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(environment(), "AIS_ENDPOINT="+n.url(), "AIS_ACCESS_KEY="+rootKey, "AIS_SECRET_KEY="+rootSecret)
	var out, say bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &say
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("ais %.300q: %w: %s", args, err, say.Bytes())
	}
	return out.Bytes(), nil
}

func aisFolders(n *node) folderClient {
	run := func(ctx context.Context, args ...string) error {
		_, err := runAIS(ctx, n, nil, args...)
		return err
	}
	return folderClient{
		putDir: func(ctx context.Context, dir, bucket, prefix string) error {
			return run(ctx, "put", dir, bucket+"/"+prefix+"/")
		},
		getDir: func(ctx context.Context, bucket, prefix, dir string) error {
			return run(ctx, "get", bucket+"/"+prefix+"/", dir)
		},
		putFile: func(ctx context.Context, file, bucket, name string) error {
			return run(ctx, "put", file, bucket+"/"+name)
		},
		getFile: func(ctx context.Context, bucket, name, file string) error {
			return run(ctx, "get", bucket+"/"+name, file)
		},
		cannot: func(string) bool { return false },
	}
}

// TestClientRestic backs a tree up, checks the repository, and restores it.
func TestClientRestic(t *testing.T) {
	n := startNode(t)
	newRaw(n).makeBucket(t, "restic")
	env := []string{"AWS_ACCESS_KEY_ID=" + rootKey, "AWS_SECRET_ACCESS_KEY=" + rootSecret, "RESTIC_PASSWORD=secret",
		"RESTIC_REPOSITORY=s3:" + n.url() + "/restic/repository", "RESTIC_CACHE_DIR=" + t.TempDir()}
	tree, back := sourceTree(t, 300), t.TempDir()
	for _, args := range [][]string{{"init"}, {"backup", tree}, {"check", "--read-data"}, {"restore", "latest", "--target", back},
		{"forget", "latest", "--prune", "--keep-last", "1"}, {"check"}} {
		if err := tool(t.Context(), env, "restic", args...); err != nil {
			t.Fatal(err)
		}
	}
	if err := sameTrees(filepath.Join(back, tree), tree); err != nil {
		t.Errorf("restored: %v", err)
	}
}

// TestClientS3FS mounts a bucket and uses it as files.
func TestClientS3FS(t *testing.T) {
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Fatalf("s3fs needs /dev/fuse to mount: %v", err)
	}
	n := startNode(t)
	c := newRaw(n)
	c.makeBucket(t, "s3fs-bucket")
	dir := t.TempDir()
	passwords := config(t, rootKey+":"+rootSecret+"\n")
	err := tool(t.Context(), nil, "s3fs", "s3fs-bucket", dir, "-o", "passwd_file="+passwords, "-o", "url="+n.url(), "-o", "use_path_request_style",
		"-o", "sigv4", "-o", "endpoint=us-east-1", "-o", "retries=2")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "--lazy", dir).CombinedOutput(); err != nil {
			t.Errorf("unmount: %v: %s", err, out)
		}
	})
	values := []value{{"empty", 1, 0}, {"folder/small", 2, 100}, {"folder/block", 3, 64<<10 + 1}, {"large", 4, 30 << 20}}
	for _, v := range values {
		writeFile(t, filepath.Join(dir, v.key), v.reader())
	}
	for _, v := range values {
		if err := checkFile(filepath.Join(dir, v.key), v); err != nil {
			t.Errorf("through the mount: %v", err)
		}
		if err := c.checkValue(t.Context(), "s3fs-bucket", v); err != nil {
			t.Errorf("through S3: %v", err)
		}
	}
	if err := os.Rename(filepath.Join(dir, "folder/small"), filepath.Join(dir, "folder/renamed")); err != nil {
		t.Errorf("rename: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "large")); err != nil {
		t.Errorf("remove: %v", err)
	}
	got := fmt.Sprint(names(c.list(t, "s3fs-bucket", true, 1000)))
	if want := "[empty folder/ folder/block folder/renamed]"; got != want {
		t.Errorf("after a rename and a removal: got %s, want %s", got, want)
	}
}

// TestClientHeaders holds the SDK's view of one object to what was stored: metadata, standard
// headers, ranges and checksums, over plain HTTP and over TLS.
func TestClientHeaders(t *testing.T) {
	n := startNode(t)
	newRaw(n).makeBucket(t, "headers")
	for name, s := range map[string]*s3.Client{"http": newSDK(t, n.url(), nil), "tls": newTLSClient(t, n)} {
		t.Run(name, func(t *testing.T) {
			body := value{key: name, number: 1, size: 300_000}.bytes()
			_, err := s.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("headers"), Key: &name, Body: bytes.NewReader(body),
				ContentType: aws.String("text/x-go"), CacheControl: aws.String("max-age=60"), ContentLanguage: aws.String("de"),
				ContentDisposition: aws.String("attachment"), ContentEncoding: aws.String("identity"),
				Metadata: map[string]string{"colour": "blue", "greeting": "hello world"}, ChecksumAlgorithm: "CRC64NVME"})
			if err != nil {
				t.Fatal(err)
			}
			head, err := s.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("headers"), Key: &name, ChecksumMode: "ENABLED"})
			if err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprint(*head.ContentLength, *head.ContentType, *head.CacheControl, *head.ContentLanguage, *head.ContentDisposition,
				head.Metadata["colour"], head.Metadata["greeting"], head.ChecksumCRC64NVME != nil)
			if want := fmt.Sprint(300_000, "text/x-go", "max-age=60", "de", "attachment", "blue", "hello world", true); got != want {
				t.Errorf("HEAD: got %s, want %s", got, want)
			}
			part, err := s.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("headers"), Key: &name, Range: aws.String("bytes=65535-131072")})
			if err != nil {
				t.Fatal(err)
			}
			defer part.Body.Close()
			read, err := io.ReadAll(part.Body)
			if err != nil || !bytes.Equal(read, body[65535:131073]) {
				t.Errorf("range across blocks: got %d bytes, error %v, want 65538 of the object", len(read), err)
			}
			if part.ContentRange == nil || *part.ContentRange != "bytes 65535-131072/300000" {
				t.Errorf("Content-Range: got %v", part.ContentRange)
			}
		})
	}
}
