"""The form of an answer follows from the words of the question, in English and Chinese."""

import time

import pytest

from kgrag.text.question_form import AnswerForm, answer_form

QUESTIONS = {
    AnswerForm.PHRASE: [
        "Who wrote git?",
        "When was PostgreSQL 9.6 released?",
        "Where are the log files stored?",
        "How many connections does the server allow by default?",
        "How long does git keep unreachable objects?",
        "How often does autovacuum wake up?",
        "how old is Linus Torvalds",
        "What is the capital of France?",
        "What is the default isolation level?",
        "What's the default port of PostgreSQL?",
        "Which version added JSONB?",
        "What year was SQLite created?",
        "Which of A and B is older?",
        "Which film was released first, Jaws or Alien?",
        "Who is older, Alice or Bob?",
        "Which option turns off paging?",
        "What is the maximum size of a row?",
        "What port does it listen on?",
        "Which file configures the mirror?",
        "Name the capital of France.",
        "what exit code does grep return when nothing matches?",
        "Which parameter limits the number of workers?",
        "How much memory does work_mem allow by default?",
        "Can you tell me when it was released?",
        "Do you know who wrote it?",
        "Please tell me the default value of work_mem.",
        "谁写了这个程序？",
        "默认端口是多少？",
        "PostgreSQL 的默认隔离级别是什么？",
        "哪个版本加入了 JSONB？",
        "日志文件放在哪里？",
        "一行最大多大？",
        "什么时候发布的？",
        "中国的首都是什么？",
        "X和Y谁更年长？",
        "能告诉我默认端口是多少吗？",
        "哪个选项可以关闭分页？",
        "Who wrote 《如何写作》?",
        "What exit code does diff return?",
    ],
    AnswerForm.YES_NO: [
        "Is VACUUM FULL blocking?",
        "Does rebase change commit hashes?",
        "Can I store a UUID in SQLite?",
        "If I drop a table, is its index dropped too?",
        "Are triggers fired on COPY?",
        "Is it possible to undo a push?",
        "Isn't that dangerous?",
        "So does git gc delete branches?",
        "Is the WAL needed after a checkpoint or not?",
        "WITHOUT ROWID tables: do they support AUTOINCREMENT?",
        "git gc 会删除分支吗？",
        "VACUUM 是否会锁表？",
        "能不能在事务里建索引？",
        "这样做安全吗",
        "SQLite 支持外键吗？",
        "重启后设置还在不在？",
        "能用 apt 装旧版本么？",
    ],
    AnswerForm.SENTENCES: [
        "What is MVCC?",
        "What is a PENDING lock?",
        "What does the fillfactor mean?",
        "What does git stash do?",
        "Why does my index not get used?",
        "Explain write-ahead logging.",
        "Can you explain what a dangling commit is?",
        "How does autovacuum work?",
        "What is the visibility map?",
        "What's the purpose of the reflog?",
        "What happens if the disk is full?",
        "What is work_mem used for?",
        "Describe the architecture of apt.",
        "What are hash indexes?",
        "Tell me about TOAST.",
        "How come the cache is empty?",
        "When should I use VACUUM FULL?",
        "git stash",
        "Define 'fast-forward'.",
        "What's the WAL?",
        "What is LoRA?",
        "what is attention in transformers",
        "What is the point of --amend?",
        "What does the command git gc do?",
        "什么是 MVCC？",
        "MVCC 是什么？",
        "LoRA 是什么意思？",
        "为什么索引没有被使用？",
        "解释一下预写日志。",
        "你能解释一下什么是反射日志吗？",
        "fillfactor 有什么作用？",
        "autovacuum 是怎么工作的？",
        "磁盘满了会怎么样？",
        "请介绍一下 TOAST",
        "LoRA 的局限是什么？",
        "什么情况下该用 RAG？",
        "这些文档讲了什么？",
        "",
        "???",
        'ERROR: relation "foo" does not exist',
    ],
    AnswerForm.STEPS: [
        "How do I undo the last commit?",
        "How can I avoid that?",
        "how to install R from source",
        "What's the best way to back up a database?",
        "Is there a way to restore a dropped branch?",
        "How would one migrate to ext4?",
        "What do I have to do before an upgrade?",
        "What steps are needed to add a user?",
        "I want to delete a remote branch",
        "Walk me through setting up replication.",
        "How do I show the differences between two branches?",
        "How should a package be signed?",
        "Can you show me how to squash commits?",
        "Could you explain how to squash commits?",
        "怎么撤销上一次提交？",
        "如何安装 R？",
        "怎样在 Debian 上换内核？",
        "忘了 root 密码怎么办？",
        "Debian 上怎么改系统默认的文本编辑器？",
        "有什么办法可以恢复删除的分支？",
        "Mac 上怎么把 R 删干净，要删哪些东西？",
        "想把 R 彻底删干净，要删哪些东西？",
        "那怎么撤销？",
        "RLHF 的流程是什么？",
        "What now?",
    ],
    AnswerForm.LIST: [
        "Which options does git log accept?",
        "List the storage classes.",
        "What are the storage classes of SQLite?",
        "Name all isolation levels.",
        "Which values can synchronous_commit be set to?",
        "What types of indexes are there?",
        "Which files control access?",
        "What conditions must a package fulfil?",
        "Can you list the possible lock modes?",
        "What are the names of the five lock states?",
        "What kinds of joins exist?",
        "Give me all the options of tar.",
        "有哪些索引类型？",
        "git log 支持哪些选项？",
        "列出所有的存储类型。",
        "LoRA 有哪些局限？",
        "隔离级别都有什么？",
    ],
    AnswerForm.COMPARISON: [
        "What is the difference between reset and revert?",
        "Compare json with jsonb.",
        "json vs jsonb",
        "git merge or git rebase?",
        "Should I use json or jsonb?",
        "How do json and jsonb differ?",
        "How is fetch different from pull?",
        "Is there a difference between -> and ->>?",
        "Which is better, json or jsonb?",
        "What does VACUUM FULL do that plain VACUUM doesn't?",
        "In which way is apt different from aptitude?",
        "What are the differences between char and varchar?",
        "pros and cons of rebase",
        "When should I use merge instead of rebase?",
        "How does Btrfs compare to ext4?",
        "char, varchar, text: which one does what?",
        "reset 和 revert 有什么区别？",
        "json 和 jsonb 有何不同？",
        "比较一下 json 和 jsonb",
        "bf16 和 fp16 哪个更好？",
        "该用 merge 还是 rebase？",
        "\\include 与 \\input 的区别",
        "bf16 和 fp16 的差别是什么？",
        "json vs jsonb 有啥区别",
        "bf16 和 fp16 怎么选？",
        "LoRA 跟全量微调比有什么优势？",
        "bf16 比 fp16 好在哪？",
    ],
    AnswerForm.CODE: [
        "What command shows the reflog?",
        "Give me the command to list all branches.",
        "Show a query that counts rows per day.",
        "Write a regex for IPv4 addresses.",
        "Which command removes a remote?",
        "What is the syntax of CREATE INDEX?",
        "What's the command to reload the config?",
        "Is there a command to list open files?",
        "What do I type to leave vim?",
        "Give an example of a crontab line.",
        "Can you write me a SQL query for that?",
        "查看日志的命令是什么？",
        "用什么命令可以查看端口？",
        "写出创建索引的语句。",
        "给我一个 crontab 的例子",
        "哪条命令能列出已安装的包？",
        "创建视图的语法是什么？",
    ],
}


@pytest.mark.parametrize(
    ("question", "form"), [(question, form) for form, questions in QUESTIONS.items() for question in questions]
)
def test_answer_form_of_question(question: str, form: AnswerForm) -> None:
    assert answer_form(question) is form


@pytest.mark.parametrize(
    ("question", "form"),
    [
        ("I dropped a table. How do I get it back?", AnswerForm.STEPS),
        ("What does ctid mean? Could I store it as a row identifier?", AnswerForm.SENTENCES),
        ("What's the default of fsync, and why?", AnswerForm.SENTENCES),
        ("When does ALTER TABLE ... DROP COLUMN fail?", AnswerForm.SENTENCES),
        ("The group is full. Which commands add a disk to it?", AnswerForm.CODE),
        ("Which commands need root?", AnswerForm.LIST),
        ("clean or autoclean: which one deletes what?", AnswerForm.COMPARISON),
        ("It fails with 40001. What should the code do with it?", AnswerForm.STEPS),
        ("Is there a file that keeps users out?", AnswerForm.PHRASE),
        ("Is there a difference (the tool says no)?", AnswerForm.COMPARISON),
        ("Is one flag enough, and how do I set it?", AnswerForm.STEPS),
        ("里面该选哪一个？为什么？", AnswerForm.SENTENCES),
    ],
)
def test_answer_form_of_several_questions_says_most(question: str, form: AnswerForm) -> None:
    assert answer_form(question) is form


@pytest.mark.parametrize(
    "question", ["How do I say it?", "How do i say it", "HOW DO I SAY IT?", "  how do I say it ?\n"]
)
def test_answer_form_ignores_capitals_and_white_space(question: str) -> None:
    assert answer_form(question) is AnswerForm.STEPS


def test_answer_form_ignores_quoted_text() -> None:
    assert answer_form('Who sings "How to Disappear"?') is AnswerForm.PHRASE
    assert answer_form("《为什么》的作者是谁？") is AnswerForm.PHRASE
    assert answer_form("Is `why` a keyword?") is AnswerForm.YES_NO


def test_answer_form_reads_traditional_characters() -> None:
    assert answer_form("怎麼還原上一次的提交？") is AnswerForm.STEPS
    assert answer_form("這兩個有什麼區別？") is AnswerForm.COMPARISON


@pytest.mark.parametrize(
    "piece", ["what ", "what is the ", "a and b or ", "怎么", "想，要", "((", "how to ", "what's ", "\n?"]
)
def test_answer_form_of_long_question_is_fast(piece: str) -> None:
    start = time.perf_counter()
    answer_form(piece * (4000 // len(piece)))
    assert time.perf_counter() - start < 0.5
