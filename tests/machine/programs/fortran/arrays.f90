! What Fortran's run time does besides files: allocatable arrays, array functions, dispatch, procedures
! with large automatic arrays, random numbers by seed, clocks, exits. The first argument says how to end.
module shapes
   implicit none
   type, abstract :: shape
   contains
      procedure(area_of), deferred :: area
   end type shape
   abstract interface
      real(8) function area_of(self)
         import shape
         class(shape), intent(in) :: self
      end function area_of
   end interface
   type, extends(shape) :: square
      real(8) :: side
   contains
      procedure :: area => square_area
   end type square
   type, extends(square) :: slab
      real(8) :: height
   contains
      procedure :: area => slab_area
      final :: slab_end
   end type slab
   integer :: ended = 0
contains
   real(8) function square_area(self)
      class(square), intent(in) :: self
      square_area = self%side**2
   end function square_area
   real(8) function slab_area(self)
      class(slab), intent(in) :: self
      slab_area = 2*self%side**2 + 4*self%side*self%height
   end function slab_area
   subroutine slab_end(self)
      type(slab), intent(inout) :: self
      if (self%side > 0) ended = ended + 1
   end subroutine slab_end
end module shapes

program arrays
   use shapes
   use, intrinsic :: ieee_arithmetic
   implicit none
   character(len=20) :: how
   real(8), allocatable :: matrix(:, :), product(:, :), row(:)
   integer, allocatable :: list(:)
   character(len=:), allocatable :: text
   integer :: i, status, seed_size
   integer, allocatable :: seed(:)

   allocate (matrix(200, 200), source=0d0)
   do i = 1, 200
      matrix(:, i) = [(dble(mod(i*3, 17) + status), status=1, 200)]
   end do
   product = matmul(matrix, transpose(matrix))
   print '(a,es20.12)', 'trace: ', sum([(product(i, i), i=1, 200)])
   row = pack(matrix, matrix > 150)
   print '(a,i8,f12.3)', 'packed: ', size(row), maxval(row)
   print '(a,2i5)', 'where: ', maxloc(matrix)
   list = [integer ::]
   do i = 1, 3000
      list = [list, i]
   end do
   print '(a,2i8)', 'grown: ', size(list), sum(list)
   text = repeat('ab', 5)//trim(' c  ')
   print '(a)', text
   print '(a,4f8.3)', 'reshaped: ', reshape([1d0, 2d0, 3d0, 4d0], [2, 2], order=[2, 1])
   call automatic(400000)
   print '(a,i10)', 'recursive: ', ackermann(2, 300)
   call polymorphic
   allocate (matrix(1, 1), stat=status)
   print '(a,l2)', 'allocated twice: ', status /= 0
   deallocate (matrix)
   allocate (matrix(10000000, 10000000), stat=status)
   print '(a,l2)', 'too much: ', status /= 0
   call random_seed(size=seed_size)
   allocate (seed(seed_size), source=12345)
   call random_seed(put=seed)
   deallocate (row)
   allocate (row(100000))
   call random_number(row)
   print '(a,f12.6)', 'random: ', sum(row)
   print '(a,l2)', 'infinite: ', .not. ieee_is_finite(1d0/(row(1) - row(1)))
   call clocks
   call get_command_argument(1, how)
   flush (6)
   select case (how)
   case ('stop')
      stop 5
   case ('error')
      error stop 'that was it'
   case ('bounds')
      print *, list(size(list) + command_argument_count())
   case ('fault')
      call divide(seed_size*0)
   end select
contains
   subroutine automatic(n)
      integer, intent(in) :: n
      real(8) :: local(n)
      integer :: k

      local = [(dble(k), k=1, n)]
      print '(a,es16.8)', 'automatic: ', sum(local)
   end subroutine automatic

   recursive integer function ackermann(m, n) result(value)
      integer, intent(in) :: m, n
      if (m == 0) then
         value = n + 1
      else if (n == 0) then
         value = ackermann(m - 1, 1)
      else
         value = ackermann(m - 1, ackermann(m, n - 1))
      end if
   end function ackermann

   subroutine polymorphic
      class(shape), allocatable :: one
      real(8) :: total
      integer :: k

      total = 0
      do k = 1, 100
         if (mod(k, 2) == 0) then
            one = square(side=dble(k))
         else
            one = slab(side=1d0, height=dble(k))
         end if
         total = total + one%area()
         deallocate (one)
      end do
      print '(a,f14.2,l2)', 'areas: ', total, ended > 0
   end subroutine polymorphic

   subroutine clocks
      integer(8) :: before, after, rate
      real :: start, finish
      integer :: values(8)

      call system_clock(before, rate)
      call cpu_time(start)
      call date_and_time(values=values)
      call cpu_time(finish)
      call system_clock(after)
      print '(a,3l2)', 'clocks: ', after >= before, finish >= start, values(1) > 2020
   end subroutine clocks

   subroutine divide(zero)
      integer, volatile :: zero
      print *, 10/zero
   end subroutine divide
end program arrays
