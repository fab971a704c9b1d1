/* links: broker/sys/program broker/base/strbuf */
#include "sys/program.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/broker-program-XXXXXX";

static const char *in_dir(const char *name)
{
	static char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void make_file(const char *name, mode_t mode)
{
	int fd = open(in_dir(name), O_CREAT | O_WRONLY | O_CLOEXEC, mode);

	CHECK(fd >= 0);
	CHECK_EQ(fchmod(fd, mode), 0);
	close(fd);
}

static void tidy(void)
{
	static const char *const names[] = { "a/tool", "b/tool", "b/link", "b/plain", "a", "b" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		(void)remove(in_dir(names[i]));
	(void)rmdir(dir);
}

static void setup(void)
{
	char real[PATH_MAX];

	CHECK(mkdtemp(dir));
	CHECK(realpath(dir, real));
	CHECK_STR(real, dir);
	CHECK_EQ(mkdir(in_dir("a"), 0755), 0);
	CHECK_EQ(mkdir(in_dir("b"), 0755), 0);
	make_file("a/tool", 0755);
	make_file("b/tool", 0755);
	make_file("b/plain", 0644);
	CHECK_EQ(symlink("../a/tool", in_dir("b/link")), 0);
}

TEST(a_name_is_found_in_the_path_and_links_are_resolved)
{
	char path[256], found[PATH_MAX] = "";

	setup();
	(void)snprintf(path, sizeof(path), "/nowhere:%s/a:%s/b", dir, dir);
	CHECK_EQ(program_find("tool", path, NULL, found), 0);
	CHECK_STR(found, in_dir("a/tool"));
	CHECK_EQ(program_find("link", path, NULL, found), 0);
	CHECK_STR(found, in_dir("a/tool"));
	CHECK_EQ(program_find("tool", "a:b", dir, found), 0);
	CHECK_STR(found, in_dir("a/tool"));
	/* An empty part is the directory itself. */
	(void)snprintf(path, sizeof(path), "%s/b", dir);
	CHECK_EQ(program_find("tool", ":/nowhere", path, found), 0);
	CHECK_STR(found, in_dir("b/tool"));
	tidy();
}

TEST(a_name_with_a_slash_is_a_path)
{
	char found[PATH_MAX] = "";

	setup();
	CHECK_EQ(program_find("./b/../b/link", "/bin", dir, found), 0);
	CHECK_STR(found, in_dir("a/tool"));
	CHECK_EQ(program_find(in_dir("b/tool"), NULL, "/nowhere", found), 0);
	CHECK_STR(found, in_dir("b/tool"));
	tidy();
}

TEST(what_cannot_be_executed_is_not_found)
{
	char found[PATH_MAX] = "untouched", path[256];

	setup();
	(void)snprintf(path, sizeof(path), "%s/b", dir);
	CHECK_EQ(program_find("plain", path, NULL, found), -EACCES);
	CHECK_EQ(program_find("none", path, NULL, found), -ENOENT);
	CHECK_EQ(program_find("tool", NULL, NULL, found), -ENOENT);
	CHECK_EQ(program_find("", path, NULL, found), -ENOENT);
	CHECK_EQ(program_find(dir, path, NULL, found), -EACCES);
	CHECK_STR(found, "untouched");
	tidy();
}

TAP_MAIN()
